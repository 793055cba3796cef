"""The HTTP process: every URL on one screen, and what holds for each of them."""

import secrets
import time

import structlog
from flask import Flask, Response, g, jsonify, request
from flask.typing import ResponseReturnValue
from structlog.contextvars import bind_contextvars, clear_contextvars

from api import envelopes, headers, health, images, models, pictures
from api.auth import Gate
from api.bodies import read_json
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
        return images.generate(services, room, caller=caller(), body=read_json(request), request_id=g.request_id)

    @app.get("/v1/models")
    def list_models() -> ResponseReturnValue:
        return models.every(services.catalog, caller())

    @app.get("/v1/models/<path:model_id>")
    def retrieve_model(model_id: str) -> ResponseReturnValue:
        return models.one(services.catalog, caller(), model_id)

    @app.get("/files/<name>")
    def picture(name: str) -> ResponseReturnValue:
        return pictures.show(services, request, name)

    @app.get("/health/live")
    def live() -> ResponseReturnValue:
        return jsonify(status="ok")

    @app.get("/health/ready")
    def ready() -> ResponseReturnValue:
        return health.ready(services)

    return app


def _begin() -> None:
    g.begun = time.perf_counter()
    g.request_id = f"req_{secrets.token_hex(16)}"
    clear_contextvars()
    bind_contextvars(request_id=g.request_id)


def _finish(response: Response) -> Response:
    seconds = time.perf_counter() - g.begun
    headers.complete(response, request_id=g.request_id, seconds=seconds)
    log.info(
        "http.answered",
        method=request.method,
        path=request.path,
        status=response.status_code,
        seconds=round(seconds, 4),
    )
    return response
