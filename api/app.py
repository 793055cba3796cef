"""The HTTP process: every URL on one screen, and what holds for each of them."""

import secrets
import time
from collections.abc import Callable
from uuid import UUID

import structlog
from flask import Flask, Response, g, request
from flask.typing import ResponseReturnValue
from structlog.contextvars import bind_contextvars, clear_contextvars

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

    @app.post("/v1/images/generations")
    def generations() -> ResponseReturnValue:
        if dry_run.asked(request.args):
            return dry_run.preview(services, caller(), read_json(request))
        return images.generate(services, room, request, caller=caller(), request_id=g.request_id)

    _serve_jobs(app, services, caller, Lookout(services.database, room.closing))
    _serve_files(app, services, caller)
    _serve_batches(app, services, caller)
    _serve_webhooks(app, services, caller)
    _serve_deliveries(app, services, caller)

    @app.get("/v1/models")
    def list_models() -> ResponseReturnValue:
        return models.every(services.catalog, caller())

    @app.get("/v1/models/<path:model_id>")
    def retrieve_model(model_id: str) -> ResponseReturnValue:
        return models.one(services.catalog, caller(), model_id)

    @app.get("/v1/usage")
    def show_usage() -> ResponseReturnValue:
        return usage.show(services, caller(), request.args)

    @app.get("/files/<name>")
    def picture(name: str) -> ResponseReturnValue:
        return pictures.show(services, room.receipts, request, name)

    @app.get("/health/live")
    def live() -> ResponseReturnValue:
        return health.live()

    @app.get("/health/ready")
    def ready() -> ResponseReturnValue:
        return health.ready(services, closes_soon=room.closes_soon)

    _serve_machines(app, services, gate)
    _serve_reference(app, services)
    app.register_blueprint(dashboard.blueprint(services, room.closing))
    return app


def _serve_jobs(app: Flask, services: Services, caller: Callable[[], Caller], lookout: Lookout) -> None:
    @app.get("/v1/images/jobs")
    def list_jobs() -> ResponseReturnValue:
        return jobs.every(services, caller(), request.args)

    @app.get("/v1/images/jobs/<job_id>")
    def retrieve_job(job_id: str) -> ResponseReturnValue:
        return jobs.one(services, caller(), job_id)

    @app.post("/v1/images/jobs/<job_id>/cancel")
    def cancel_job(job_id: str) -> ResponseReturnValue:
        return jobs.cancel(services, caller(), job_id)

    @app.get("/v1/images/jobs/<job_id>/events")
    def follow_job(job_id: str) -> ResponseReturnValue:
        report = jobs.find(services, caller(), job_id)
        last_event_id = request.headers.get("Last-Event-ID", "")
        return job_events.stream(services, lookout, report, last_event_id=last_event_id)


def _serve_webhooks(app: Flask, services: Services, caller: Callable[[], Caller]) -> None:
    @app.post("/v1/webhooks")
    def create_webhook() -> ResponseReturnValue:
        return webhooks.create(services, caller(), request)

    @app.get("/v1/webhooks")
    def list_webhooks() -> ResponseReturnValue:
        return webhooks.every(services, caller(), request.args)

    @app.get("/v1/webhooks/<uuid:webhook_id>")
    def retrieve_webhook(webhook_id: UUID) -> ResponseReturnValue:
        return webhooks.one(services, caller(), webhook_id)

    @app.post("/v1/webhooks/<uuid:webhook_id>")
    def change_webhook(webhook_id: UUID) -> ResponseReturnValue:
        return webhooks.change(services, caller(), webhook_id, request)

    @app.delete("/v1/webhooks/<uuid:webhook_id>")
    def delete_webhook(webhook_id: UUID) -> ResponseReturnValue:
        return webhooks.delete(services, caller(), webhook_id)

    @app.post("/v1/webhooks/<uuid:webhook_id>/rotate")
    def rotate_webhook(webhook_id: UUID) -> ResponseReturnValue:
        return webhooks.rotate(services, caller(), webhook_id, request)

    @app.post("/v1/webhooks/<uuid:webhook_id>/test")
    def test_webhook(webhook_id: UUID) -> ResponseReturnValue:
        return webhooks.ping(services, caller(), webhook_id)

    @app.get("/v1/webhooks/secret")
    def retrieve_webhook_secret() -> ResponseReturnValue:
        return webhooks.secret(services, caller())


def _serve_deliveries(app: Flask, services: Services, caller: Callable[[], Caller]) -> None:
    @app.get("/v1/webhooks/<uuid:webhook_id>/deliveries")
    def list_deliveries_of_webhook(webhook_id: UUID) -> ResponseReturnValue:
        return deliveries.of_webhook(services, caller(), webhook_id, request.args)

    @app.get("/v1/webhooks/deliveries")
    def list_deliveries() -> ResponseReturnValue:
        return deliveries.every(services, caller(), request.args)

    @app.get("/v1/webhooks/deliveries/<delivery_id>")
    def retrieve_delivery(delivery_id: str) -> ResponseReturnValue:
        return deliveries.one(services, caller(), delivery_id)

    @app.post("/v1/webhooks/deliveries/<delivery_id>/redeliver")
    def redeliver(delivery_id: str) -> ResponseReturnValue:
        return deliveries.redeliver(services, caller(), delivery_id)


def _serve_files(app: Flask, services: Services, caller: Callable[[], Caller]) -> None:
    @app.post("/v1/files")
    def upload_file() -> ResponseReturnValue:
        return files.upload(services, caller(), request)

    @app.get("/v1/files")
    def list_files() -> ResponseReturnValue:
        return files.every(services, caller(), request.args)

    @app.get("/v1/files/<file_id>")
    def retrieve_file(file_id: str) -> ResponseReturnValue:
        return files.one(services, caller(), file_id)

    @app.delete("/v1/files/<file_id>")
    def delete_file(file_id: str) -> ResponseReturnValue:
        return files.delete(services, caller(), file_id)

    @app.get("/v1/files/<file_id>/content")
    def file_content(file_id: str) -> ResponseReturnValue:
        return files.content(services, caller(), file_id)


def _serve_batches(app: Flask, services: Services, caller: Callable[[], Caller]) -> None:
    @app.post("/v1/batches")
    def create_batch() -> ResponseReturnValue:
        return batches.create(services, caller(), request, request_id=g.request_id)

    @app.get("/v1/batches")
    def list_batches() -> ResponseReturnValue:
        return batches.every(services, caller(), request.args)

    @app.get("/v1/batches/<batch_id>")
    def retrieve_batch(batch_id: str) -> ResponseReturnValue:
        return batches.one(services, caller(), batch_id)

    @app.get("/v1/batches/<batch_id>/results")
    def batch_results(batch_id: str) -> ResponseReturnValue:
        return batches.results(services, caller(), batch_id, request.args)

    @app.post("/v1/batches/<batch_id>/cancel")
    def cancel_batch(batch_id: str) -> ResponseReturnValue:
        return batches.cancel(services, caller(), batch_id)

    @app.post("/v1/batches/<batch_id>/pause")
    def pause_batch(batch_id: str) -> ResponseReturnValue:
        return batches.pause(services, caller(), batch_id, paused=True)

    @app.post("/v1/batches/<batch_id>/resume")
    def resume_batch(batch_id: str) -> ResponseReturnValue:
        return batches.pause(services, caller(), batch_id, paused=False)

    @app.post("/v1/batches/<batch_id>/retry")
    def retry_batch(batch_id: str) -> ResponseReturnValue:
        return batches.retry(services, caller(), batch_id, request_id=g.request_id)


def _serve_machines(app: Flask, services: Services, gate: Gate) -> None:
    glass = Glass()
    exposition = Exposition(services, glass)
    app.after_request(exposition.traffic.note)

    @app.get("/metrics")
    def metrics() -> ResponseReturnValue:
        gate.admit_scraper(request)
        return exposition.show(request)

    @app.get("/v1/ops/stats")
    def stats() -> ResponseReturnValue:
        gate.admit_admin(request)
        return ops_stats.show(services, glass)


def _serve_reference(app: Flask, services: Services) -> None:
    reference = Reference(services.catalog, services.settings.public_url)

    @app.get("/openapi.json")
    def openapi() -> ResponseReturnValue:
        return reference.for_programs(request)

    @app.get("/docs")
    def docs() -> ResponseReturnValue:
        return reference.for_people(request)

    @app.get("/docs/docs.css")
    def docs_style() -> ResponseReturnValue:
        return reference.style(request)


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
