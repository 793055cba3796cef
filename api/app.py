"""The HTTP process: every URL on one screen, and what holds for each of them."""

import secrets
import time
from collections.abc import Callable, Iterable
from uuid import UUID

import structlog
from flask import Flask, Response, g, request
from flask.typing import ResponseReturnValue
from structlog.contextvars import bind_contextvars, clear_contextvars
from werkzeug.middleware.proxy_fix import ProxyFix

from api import (
    deliveries,
    dry_run,
    envelopes,
    files,
    headers,
    health,
    images,
    job_events,
    jobs,
    limits,
    models,
    ops_stats,
    pictures,
    traces,
    usage,
    webhooks,
)
from api.auth import Gate
from api.batches import views as batches
from api.bodies import read_json
from api.dashboard import routes as dashboard
from api.dashboard.glass import Glass
from api.lookout import Lookout
from api.metrics.exposition import Exposition
from api.reference import Reference
from api.waiting import WaitingRoom
from core.bootstrap import Services
from core.keys import Caller

MAX_BODY_BYTES = 1024 * 1024

Known = Callable[[], Caller]
Url = tuple[str, str, Callable[..., ResponseReturnValue]]

log = structlog.get_logger()


def create_app(services: Services, room: WaitingRoom) -> Flask:
    app = Flask("api", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.before_request(_begin)
    app.before_request(headers.preflight)
    app.after_request(_finish)
    envelopes.register(app)
    gate = Gate(services.database)

    def caller() -> Caller:
        return gate.authenticate(request)

    for method, path, view in (
        *_images(services, caller, room),
        *_jobs(services, caller, Lookout(services.database, room.closing)),
        *_files(services, caller),
        *_batches(services, caller),
        *_webhooks(services, caller),
        *_deliveries(services, caller),
        *_machines(app, services, gate),
        *_open_to_all(services, room),
    ):
        app.add_url_rule(path, f"{method} {path}", view, methods=[method])
    app.register_blueprint(dashboard.blueprint(services, room.closing))
    _believe(app, services.settings.trusted_proxies)
    return app


def _believe(app: Flask, proxies: int) -> None:
    """Take who asks, and at which address of ours, from the headers of so many proxies; of none, from the line."""
    app.wsgi_app = ProxyFix(  # type: ignore[method-assign] # as Flask's own documentation has it
        app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies
    )


def _images(services: Services, caller: Known, room: WaitingRoom) -> Iterable[Url]:
    def generate() -> ResponseReturnValue:
        if dry_run.asked(request.args):
            return dry_run.preview(services, caller(), read_json(request))
        return images.generate(services, room, request, caller=caller(), request_id=g.request_id)

    yield "POST", "/v1/images/generations", generate
    yield "GET", "/v1/models", lambda: models.every(services.catalog, caller())
    yield "GET", "/v1/models/<path:model_id>", lambda model_id: models.one(services.catalog, caller(), model_id)
    yield "GET", "/v1/usage", lambda: usage.show(services, caller(), request.args)


def _jobs(services: Services, caller: Known, lookout: Lookout) -> Iterable[Url]:
    def follow(job_id: str) -> ResponseReturnValue:
        report = jobs.find(services, caller(), job_id)
        last_event_id = request.headers.get("Last-Event-ID", "")
        return job_events.stream(services, lookout, report, last_event_id=last_event_id)

    every, one = "/v1/images/jobs", "/v1/images/jobs/<job_id>"
    yield "GET", every, lambda: jobs.every(services, caller(), request.args)
    yield "GET", one, lambda job_id: jobs.one(services, caller(), job_id)
    yield "POST", f"{one}/cancel", lambda job_id: jobs.cancel(services, caller(), job_id)
    yield "GET", f"{one}/events", follow


def _files(services: Services, caller: Known) -> Iterable[Url]:
    every, one = "/v1/files", "/v1/files/<file_id>"
    yield "POST", every, lambda: files.upload(services, caller(), request)
    yield "GET", every, lambda: files.every(services, caller(), request.args)
    yield "GET", one, lambda file_id: files.one(services, caller(), file_id)
    yield "DELETE", one, lambda file_id: files.delete(services, caller(), file_id)
    yield "GET", f"{one}/content", lambda file_id: files.content(services, caller(), file_id)


def _batches(services: Services, caller: Known) -> Iterable[Url]:
    def retry(batch_id: str) -> ResponseReturnValue:
        return batches.retry(services, caller(), request, batch_id, request_id=g.request_id)

    every, one = "/v1/batches", "/v1/batches/<batch_id>"
    yield "POST", every, lambda: batches.create(services, caller(), request, request_id=g.request_id)
    yield "GET", every, lambda: batches.every(services, caller(), request.args)
    yield "GET", one, lambda batch_id: batches.one(services, caller(), batch_id)
    yield "GET", f"{one}/results", lambda batch_id: batches.results(services, caller(), batch_id, request.args)
    yield "POST", f"{one}/cancel", lambda batch_id: batches.cancel(services, caller(), batch_id)
    yield "POST", f"{one}/pause", lambda batch_id: batches.pause(services, caller(), batch_id, paused=True)
    yield "POST", f"{one}/resume", lambda batch_id: batches.pause(services, caller(), batch_id, paused=False)
    yield "POST", f"{one}/retry", retry


def _machines(app: Flask, services: Services, gate: Gate) -> Iterable[Url]:
    glass = Glass()
    exposition = Exposition(services, glass)
    app.after_request(exposition.traffic.note)

    def metrics() -> ResponseReturnValue:
        gate.admit_scraper(request)
        return exposition.show(request)

    def stats() -> ResponseReturnValue:
        gate.admit_admin(request)
        return ops_stats.show(services, glass)

    yield "GET", "/metrics", metrics
    yield "GET", "/v1/ops/stats", stats


def _webhooks(services: Services, caller: Known) -> Iterable[Url]:
    every, one = "/v1/webhooks", "/v1/webhooks/<uuid:webhook_id>"
    yield "POST", every, lambda: webhooks.create(services, caller(), request)
    yield "GET", every, lambda: webhooks.every(services, caller(), request.args)
    yield "GET", f"{every}/secret", lambda: webhooks.secret(services, caller())
    yield "GET", one, lambda webhook_id: webhooks.one(services, caller(), webhook_id)
    yield "POST", one, lambda webhook_id: webhooks.change(services, caller(), webhook_id, request)
    yield "DELETE", one, lambda webhook_id: webhooks.delete(services, caller(), webhook_id)
    yield "POST", f"{one}/rotate", lambda webhook_id: webhooks.rotate(services, caller(), webhook_id, request)
    yield "POST", f"{one}/test", lambda webhook_id: webhooks.ping(services, caller(), webhook_id)


def _deliveries(services: Services, caller: Known) -> Iterable[Url]:
    def of_webhook(webhook_id: UUID) -> ResponseReturnValue:
        return deliveries.of_webhook(services, caller(), webhook_id, request.args)

    every, one = "/v1/webhooks/deliveries", "/v1/webhooks/deliveries/<delivery_id>"
    yield "GET", every, lambda: deliveries.every(services, caller(), request.args)
    yield "GET", one, lambda delivery_id: deliveries.one(services, caller(), delivery_id)
    yield "GET", "/v1/webhooks/<uuid:webhook_id>/deliveries", of_webhook
    yield "POST", f"{one}/redeliver", lambda delivery_id: deliveries.redeliver(services, caller(), delivery_id)


def _open_to_all(services: Services, room: WaitingRoom) -> Iterable[Url]:
    reference = Reference(services.catalog, services.settings.public_url)

    yield "GET", "/files/<name>", lambda name: pictures.show(services, room.receipts, request, name)
    yield "GET", "/health/live", health.live
    yield "GET", "/health/ready", lambda: health.ready(services, closes_soon=room.closes_soon)
    yield "GET", "/openapi.json", lambda: reference.for_programs(request)
    yield "GET", "/docs", lambda: reference.for_people(request)
    yield "GET", "/docs/docs.css", lambda: reference.style(request)


def _begin() -> None:
    g.begun = time.perf_counter()
    g.request_id = f"req_{secrets.token_hex(16)}"
    clear_contextvars()
    bind_contextvars(request_id=g.request_id)
    if job_id := (request.view_args or {}).get("job_id"):
        bind_contextvars(job_id=job_id)


def _finish(response: Response) -> Response:
    seconds = time.perf_counter() - g.begun
    traces.finish(response, seconds=seconds)
    headers.complete(response, request_id=g.request_id, seconds=seconds)
    response.headers.update(limits.headers())
    log.info(
        "http.answered",
        method=request.method,
        path=request.path,
        status=response.status_code,
        seconds=round(seconds, 4),
    )
    return response
