"""The operators' pages: every URL below /ops on one screen."""

from collections.abc import Callable
from pathlib import Path
from threading import Event

import structlog
from flask import Blueprint, Response, g, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import DataError
from werkzeug.exceptions import HTTPException

from api.dashboard import (
    access,
    audit,
    batches,
    gallery,
    job,
    jobs,
    keys,
    money,
    operations,
    orders,
    overview,
    pictures,
    providers,
    pulse,
    sign_in,
    webhooks,
    wording,
    workers,
)
from api.dashboard.access import Door, ForeignForm, NotAllowed, NotSignedIn, View
from api.dashboard.glass import Glass
from api.dashboard.thumbnails import Thumbnails
from api.dashboard.tries import Tries
from api.dashboard.visits import is_ours
from core.bootstrap import Services
from core.database import UNAVAILABLE
from core.errors import StoreUnavailable
from core.states import Role

log = structlog.get_logger()

FOREIGN = "This form did not come from a page of ours, or is from before you signed in. Nothing was done."
STATIC = Path(__file__).resolve().parents[1] / "static" / "ops"

# What everybody sees who is signed in.
PAGES: dict[str, View] = {
    "/": overview.show,
    "/jobs": jobs.show,
    "/jobs/<uuid:job_id>": job.show,
    "/operations": operations.show,
    "/operations/<uuid:operation_id>": operations.one,
    "/operations/<uuid:operation_id>/result": operations.result,
    "/money": money.show,
    "/providers": providers.show,
    "/batches": batches.show,
    "/batches/<batch_id>": batches.one,
    "/webhooks": webhooks.show,
    "/gallery": gallery.show,
    "/pictures/<name>": pictures.show,
    "/workers": workers.show,
    "/keys": keys.show,
    "/keys/<uuid:key_id>": keys.one,
    "/audit": audit.show,
}
# What a role may do.
ACTIONS: dict[str, tuple[Role, View]] = {
    "/jobs/preview": (Role.OPERATOR, orders.preview),
    "/jobs/<uuid:job_id>/cancel": (Role.OPERATOR, job.cancel),
    "/jobs/<uuid:job_id>/deliveries/<uuid:delivery_id>": (Role.OPERATOR, job.redeliver),
    "/providers/<name>": (Role.OPERATOR, providers.change),
    "/providers/<name>/pause": (Role.OPERATOR, providers.pause),
    "/providers/<name>/drain": (Role.OPERATOR, providers.drain),
    "/providers/<name>/resume": (Role.OPERATOR, providers.resume),
    "/batches/<batch_id>/pause": (Role.OPERATOR, batches.pause),
    "/batches/<batch_id>/resume": (Role.OPERATOR, batches.resume),
    "/batches/<batch_id>/cancel": (Role.OPERATOR, batches.cancel),
    "/batches/<batch_id>/retry": (Role.OPERATOR, batches.retry),
    "/webhooks/<uuid:webhook_id>/ping": (Role.OPERATOR, webhooks.ping),
    "/webhooks/<uuid:webhook_id>/enable": (Role.OPERATOR, webhooks.enable),
    "/webhooks/<uuid:webhook_id>/disable": (Role.OPERATOR, webhooks.disable),
    "/deliveries/<uuid:delivery_id>": (Role.OPERATOR, webhooks.redeliver),
    "/workers/quieten": (Role.OPERATOR, workers.quieten),
    "/workers/rouse": (Role.OPERATOR, workers.rouse),
    "/operations": (Role.OPERATOR, orders.place),
    "/operations/<uuid:operation_id>/stop": (Role.OPERATOR, operations.stop),
    "/keys": (Role.ADMIN, keys.create),
    "/keys/<uuid:key_id>": (Role.ADMIN, keys.change),
    "/keys/<uuid:key_id>/revoke": (Role.ADMIN, keys.revoke),
}


def blueprint(services: Services, closing: Event) -> Blueprint:
    """`closing` is set when the process is about to end, and streams with it."""
    glass = Glass()
    door, tries = Door(services, glass), Tries(services.rates)
    ops = Blueprint("ops", __name__, url_prefix="/ops", static_folder=str(STATIC), static_url_path="/static")
    ops.after_request(access.protect)
    _add(ops, "GET", "/sign-in", sign_in.form)
    _add(ops, "POST", "/sign-in", lambda: sign_in.sign_in(services, tries))
    _add(ops, "POST", "/sign-out", door.action(Role.VIEWER, sign_in.sign_out))
    _add(ops, "GET", "/stream", door.page(lambda _: pulse.stream(services.database, glass, closing)))
    _add(ops, "GET", "/thumbnails/<name>", door.page(Thumbnails().show))
    for path, view in PAGES.items():
        _add(ops, "GET", path, door.page(view))
    for path, (role, view) in ACTIONS.items():
        _add(ops, "POST", path, door.action(role, view))
    _add(ops, "GET", "/<path:unknown>", lambda unknown: _fault(404, f"There is no page /ops/{unknown}."))
    _tell_faults(ops)
    for name, wording_filter in wording.FILTERS.items():
        ops.add_app_template_filter(wording_filter, name)
    return ops


def _add(ops: Blueprint, method: str, path: str, view: Callable[..., ResponseReturnValue]) -> None:
    name = f"{method} {path}".replace(".", "_")
    ops.add_url_rule(path, endpoint=name, view_func=view, methods=[method])


def _tell_faults(ops: Blueprint) -> None:
    """For people: the API's envelopes are for programs."""
    ops.register_error_handler(NotSignedIn, _not_signed_in)
    ops.register_error_handler(NotAllowed, lambda _: _fault(403, "Your role does not go that far."))
    ops.register_error_handler(ForeignForm, lambda _: _fault(403, FOREIGN))
    ops.register_error_handler(HTTPException, lambda error: _fault(error.code or 500, error.description or ""))
    ops.register_error_handler(DataError, lambda _: _fault(400, "Nothing can be called that."))
    for unavailable in UNAVAILABLE:
        ops.register_error_handler(unavailable, _database_failed)
    ops.register_error_handler(StoreUnavailable, _store_failed)
    ops.register_error_handler(Exception, _crashed)


def _not_signed_in(_: NotSignedIn) -> ResponseReturnValue:
    """What is not a page, like the stream, is told plainly; a form is lost, and its sender is to know."""
    if not request.accept_mimetypes.accept_html:
        return Response("Sign in first.\n", 401, mimetype="text/plain")
    if request.method != "GET":
        return _fault(401, "You are signed in no more, and nothing was done. Sign in, and send the form again.")
    return access.to_sign_in()


def _database_failed(error: Exception) -> tuple[str, int]:
    log.error("page.failed", path=request.path, error=str(error).partition("\n")[0])
    return _fault(503, "The database did not answer in time. Narrow the view down, or try again in a moment.")


def _store_failed(error: Exception) -> tuple[str, int]:
    log.error("page.failed", path=request.path, error=str(error).partition("\n")[0])
    return _fault(503, "The object store does not answer, or has lost this. Try again in a moment.")


def _crashed(error: Exception) -> tuple[str, int]:
    log.error("request.crashed", exc_info=error)
    return _fault(500, f"This is a fault of ours. The log has more of it, at {g.request_id}.")


def _fault(status: int, message: str) -> tuple[str, int]:
    theme = request.cookies.get("ops_theme", "auto")
    back = request.form.get("back") or request.form.get("view", "")
    page = render_template(
        "ops/fault.html", status=status, message=message, theme=theme, back=back if is_ours(back) else None
    )
    return page, status
