"""Simulates OpenAI's Images API, DALL-E's and GPT image's, down to headers and words; it never dedupes."""

import time
import uuid
from base64 import b64encode
from typing import Any

from flask import Flask, Response, g, jsonify, request
from gevent import get_hub
from werkzeug.exceptions import MethodNotAllowed, NotFound

from sandbox.simulators import faults
from sandbox.simulators.control import SUCCESS, Charge, Control, shown
from sandbox.simulators.openai_blobs import FOLDER, Blobs, expired
from sandbox.simulators.openai_errors import REFUSALS, ApiError, Asked, missing_key, refusal, wrong_key
from sandbox.simulators.openai_models import MODELS, ImageModel
from sandbox.simulators.openai_replies import dall_e_reply, events, gpt_image_reply, pictures
from sandbox.simulators.openai_requests import ImageRequest, parse
from sandbox.simulators.panel import create_panel
from sandbox.simulators.pictures import Picture, draw

OUTCOMES = (SUCCESS, *REFUSALS, *faults.FAULTS)
GOING_ON = {
    "x-ratelimit-limit-requests": "500",
    "x-ratelimit-remaining-requests": "499",
    "x-ratelimit-reset-requests": "120ms",
}


def create_app(api_key: str | None) -> Flask:
    """Build a simulator that takes this key, or any key at all where there is none."""
    app = Flask(__name__)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the default provider has it
    control = Control("openai", OUTCOMES)
    api = OpenAI(control, api_key)
    app.register_blueprint(create_panel(control))
    app.before_request(api.authenticate)
    app.after_request(api.add_headers)
    app.add_url_rule("/v1/images/generations", view_func=api.generate, methods=["POST"])
    app.add_url_rule("/v1/models", view_func=api.list_models)
    app.add_url_rule("/v1/models/<path:name>", view_func=api.retrieve_model)
    app.add_url_rule(f"{FOLDER}/<name>", view_func=api.download)
    app.register_error_handler(ApiError, ApiError.response)
    app.register_error_handler(NotFound, _no_such_url)
    app.register_error_handler(MethodNotAllowed, _wrong_method)
    return app


class OpenAI:
    def __init__(self, control: Control, api_key: str | None) -> None:
        self._control = control
        self._api_key = api_key
        self._blobs = Blobs(control)

    def authenticate(self) -> None:
        g.started = time.monotonic()
        g.request_id = f"req_{uuid.uuid4().hex}"
        if not _is_api():
            return
        scheme, _, g.key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not g.key:
            raise missing_key()
        if self._api_key is not None and g.key != self._api_key:
            raise wrong_key(g.key)

    def add_headers(self, answer: Response) -> Response:
        if not _is_api():
            return answer
        answer.headers["x-request-id"] = g.request_id
        if answer.status_code != 401:  # noqa: PLR2004 - a 401 was recorded without the rest
            answer.headers["openai-organization"] = "org-darkroom"
            answer.headers["openai-version"] = "2020-10-01"
            answer.headers["openai-processing-ms"] = str(round((time.monotonic() - g.started) * 1000))
        return answer

    def list_models(self) -> Response:
        return jsonify({"object": "list", "data": [_described(model) for model in MODELS.values()]})

    def retrieve_model(self, name: str) -> Response:
        if name not in MODELS:
            raise ApiError(f"The model '{name}' does not exist", "model_not_found", "model", status=404)
        return jsonify(_described(MODELS[name]))

    def generate(self) -> Response:
        asked = parse(request.get_data(), request.headers.get("Content-Type", ""))
        with self._control.working():
            outcome = self._control.next_outcome(asked.prompt)
            mentioned = Asked(asked.model.id, asked.model.is_dall_e, g.key, g.request_id)
            refused = refusal(outcome, mentioned)
            if refused is not None:
                return refused
            if outcome == faults.DROP_BEFORE:
                return faults.drop(request.environ)
            self._charge(asked, outcome)
            return self._deliver(asked, outcome)

    def download(self, name: str) -> Response:
        blob = self._blobs.find(name, request.args.get("sig", ""))
        if blob is None:
            return expired()
        body = _drawn(blob.picture, truncated=blob.truncated)
        return Response(body, content_type="image/png", headers={"Content-Disposition": "inline"})

    def _charge(self, asked: ImageRequest, outcome: str) -> None:
        """Charge as soon as the work begins: whether anybody hears the answer is not OpenAI's concern."""
        charge = Charge(
            at=self._control.clock.now(),
            request_id=g.request_id,
            model=asked.model.id,
            size=asked.size,
            quality=asked.quality,
            n=asked.n,
            prompt=shown(asked.prompt),
            outcome=outcome,
        )
        self._control.charges.append(charge)

    def _deliver(self, asked: ImageRequest, outcome: str) -> Response:
        timing = self._control.timing
        if outcome == faults.HANG:
            return faults.hang(request.environ, timing.hang_seconds)
        self._control.take_time()
        match outcome:
            case faults.DROP:
                return faults.drop(request.environ)
            case faults.GARBAGE:
                return faults.garbage()
            case faults.SLOW_BODY:
                return faults.slow_body(self._answer(asked, outcome), timing.body_seconds)
            case _:
                return self._answer(asked, outcome)

    def _answer(self, asked: ImageRequest, outcome: str) -> Response:
        wanted = [] if outcome == faults.EMPTY else pictures(asked)
        if outcome == faults.WRONG_SIZE:
            wanted = [picture.at_half_size() for picture in wanted]
        created = int(self._control.clock.now())
        truncated = outcome == faults.TRUNCATED
        if asked.stream:
            bodies = [_drawn(picture, truncated=truncated) for picture in wanted]
            return Response(events(created, asked, bodies), content_type="text/event-stream")
        items = [self._item(asked, picture, truncated=truncated) for picture in wanted]
        reply = dall_e_reply if asked.model.is_dall_e else gpt_image_reply
        answer = jsonify(reply(created, asked, items))
        answer.headers.update(GOING_ON)
        return answer

    def _item(self, asked: ImageRequest, picture: Picture, *, truncated: bool) -> dict[str, Any]:
        if asked.model.is_dall_e and asked.response_format == "url":
            return {"url": self._blobs.publish(picture, truncated=truncated)}
        return {"b64_json": b64encode(_drawn(picture, truncated=truncated)).decode()}


def _drawn(picture: Picture, *, truncated: bool) -> bytes:
    """Draw in a thread, so that a thousand sleeping requests are not kept from waking."""
    body: bytes = get_hub().threadpool.apply(draw, (picture,))
    return body[: len(body) // 2] if truncated else body


def _is_api() -> bool:
    return request.path.startswith("/v1/")


def _described(model: ImageModel) -> dict[str, Any]:
    return {"id": model.id, "object": "model", "created": model.created, "owned_by": "system"}


def _no_such_url(_: NotFound) -> Response:
    return ApiError(f"Invalid URL ({request.method} {request.path})", status=404).response()


def _wrong_method(problem: MethodNotAllowed) -> Response:
    hint = "(HINT: Perhaps you meant to use a different HTTP method?)"
    allowed = {"Allow": ", ".join(sorted(problem.valid_methods or ()))}
    message = f"Not allowed to {request.method} on {request.path}. {hint}"
    return ApiError(message, status=405, headers=allowed).response()
