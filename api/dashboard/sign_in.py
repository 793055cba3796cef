"""/ops/sign-in: a name and a password become a cookie; guessing is slow, and put on record."""

import gevent
import structlog
from flask import Response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from api.dashboard.access import COOKIE, ForeignForm, is_from_us
from api.dashboard.tries import Tries
from api.dashboard.visits import Visit, is_ours
from core import audit, users
from core.bootstrap import Services
from core.orm import User
from core.users import NewSignIn, UserRefused

SIGNED_IN_SECONDS = 12 * 3600

log = structlog.get_logger()


def form() -> ResponseReturnValue:
    return _page()


def sign_in(services: Services, tries: Tries) -> ResponseReturnValue:
    if not is_from_us(request):
        raise ForeignForm
    name, address = request.form.get("name", ""), request.remote_addr or ""
    if not tries.take(name, address):
        log.warning("user.refused", why="tries", address=address)
        return _page("Too many tries. Wait a minute."), 429
    with services.database.single() as session:
        user = users.named(session, name)
    try:
        return _welcome(services, _let_in(services, user, request.form.get("password", "")))
    except UserRefused:
        # By names of users alone: people type their passwords there.
        log.warning("user.refused", why="password", user=user.name if user else None, address=address)
        with services.database.single() as session:
            audit.record_refusal(session, name, address=address)
        return _page("This name and this password do not belong together."), 403


def _let_in(services: Services, user: User | None, password: str) -> NewSignIn:
    """Raises UserRefused."""
    # Made to take long, of the processor: not from those who wait for pictures.
    fits = gevent.get_hub().threadpool.apply(users.is_password, (user, password))
    if user is None or not fits:
        raise UserRefused
    with services.database.transaction() as session:
        signed_in = users.sign_in(session, user, seconds=SIGNED_IN_SECONDS)
        audit.record(session, actor=user.name, action="user.sign_in", subject=f"user {user.name}")
    return signed_in


def _welcome(services: Services, signed_in: NewSignIn) -> Response:
    response = _go(request.form.get("to", ""))
    response.set_cookie(
        COOKIE,
        signed_in.token,
        max_age=SIGNED_IN_SECONDS,
        path="/ops",
        httponly=True,
        samesite="Lax",  # a link from a colleague leads in; every action wants its form besides
        secure=request.is_secure or services.settings.public_url.startswith("https://"),
    )
    return response


def sign_out(visit: Visit) -> ResponseReturnValue:
    with visit.services.database.transaction() as session:
        users.sign_out(session, request.cookies[COOKIE])
    response = _go("/ops/sign-in")
    response.delete_cookie(COOKIE, path="/ops")
    return response


def _page(fault: str = "") -> str:
    wanted = request.values.get("to", "")
    return render_template(
        "ops/sign_in.html",
        fault=fault,
        to=wanted if is_ours(wanted) else "/ops/",
        name=request.form.get("name", ""),
        theme=request.cookies.get("ops_theme", "auto"),
    )


def _go(where: str) -> Response:
    response = redirect(where if is_ours(where) else "/ops/", code=303)
    assert isinstance(response, Response)
    return response
