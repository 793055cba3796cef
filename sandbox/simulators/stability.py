"""Simulates Stability AI's Stable Image API, down to headers and words; it never dedupes."""

import uuid
from base64 import b64encode
from io import BytesIO

from flask import Flask, Response, g, jsonify, request
from gevent import get_hub
from PIL import Image, ImageFilter
from werkzeug.exceptions import MethodNotAllowed, NotFound, RequestEntityTooLarge

from sandbox.simulators import faults
from sandbox.simulators.control import SUCCESS, Charge, shown
from sandbox.simulators.panel import create_panel
from sandbox.simulators.pictures import Picture, draw
from sandbox.simulators.stability_account import Account
from sandbox.simulators.stability_errors import (
    REFUSALS,
    ApiError,
    not_found,
    payload_too_large,
    payment_required,
    rate_limit_exceeded,
    refusal,
    unauthorized,
)
from sandbox.simulators.stability_models import CREDITS, ENDPOINTS
from sandbox.simulators.stability_requests import ImageRequest, parse

LARGEST_BODY = 10 * 1024 * 1024
FILTERED = "content_filtered"
OUTCOMES = (SUCCESS, FILTERED, *REFUSALS, *faults.FAULTS)
BLUR_PIXELS = 40


def create_app(api_key: str | None) -> Flask:
    """Build a simulator that takes this key, or any key at all where there is none."""
    app = Flask(__name__)
    app.config.update(MAX_CONTENT_LENGTH=LARGEST_BODY, MAX_FORM_MEMORY_SIZE=LARGEST_BODY)
    account = Account("stability", OUTCOMES)
    api = Stability(account, api_key)
    panel = create_panel(account)
    panel.add_url_rule("/control/credits", "credits", account.set_credits, methods=["PUT"])
    app.register_blueprint(panel)
    app.before_request(api.admit)
    app.after_request(api.add_headers)
    app.add_url_rule("/v2beta/stable-image/generate/<endpoint>", view_func=api.generate, methods=["POST"])
    app.add_url_rule("/v1/user/balance", view_func=api.balance)
    app.register_error_handler(ApiError, ApiError.response)
    app.register_error_handler(RequestEntityTooLarge, lambda _: payload_too_large().response())
    for unknown in (NotFound, MethodNotAllowed):
        app.register_error_handler(unknown, lambda _: not_found(is_v1=_is_v1()).response())
    return app


class Stability:
    def __init__(self, account: Account, api_key: str | None) -> None:
        self._account = account
        self._api_key = api_key

    def admit(self) -> None:
        """Ask for the key before anything else, even whether the address exists; then count the request."""
        g.request_id = uuid.uuid4().hex
        if not _is_api():
            return
        scheme, _, g.key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not g.key or g.key != (self._api_key or g.key):
            raise unauthorized(g.key, is_v1=_is_v1())
        if not self._account.rate_limit.allows(self._account.clock.now()):
            raise rate_limit_exceeded()

    def add_headers(self, answer: Response) -> Response:
        if _is_api():
            answer.headers["x-request-id"] = g.request_id
            answer.headers.update(g.get("facts", {}))
        return answer

    def balance(self) -> Response:
        return jsonify({"credits": self._account.balance})

    def generate(self, endpoint: str) -> Response:
        if endpoint not in ENDPOINTS:
            raise not_found()
        asked = parse(request, ENDPOINTS[endpoint])
        with self._account.working():
            outcome = self._account.next_outcome(asked.prompt)
            refused = refusal(outcome, g.key)
            if refused is not None:
                return refused
            if self._account.balance < CREDITS[asked.model]:
                raise payment_required()
            if outcome == faults.DROP_BEFORE:
                return faults.drop(request.environ)
            self._charge(asked, outcome)
            return self._deliver(asked, outcome)

    def _charge(self, asked: ImageRequest, outcome: str) -> None:
        """Charge as soon as the work begins; a blurred picture is called a success, so it costs as much."""
        charge = Charge(
            at=self._account.clock.now(),
            request_id=g.request_id,
            model=asked.model,
            size=f"{asked.picture.width}x{asked.picture.height}",
            quality="",
            n=1,
            prompt=shown(asked.prompt),
            outcome=outcome,
        )
        self._account.charges.append(charge)

    def _deliver(self, asked: ImageRequest, outcome: str) -> Response:
        timing = self._account.timing
        if outcome == faults.HANG:
            return faults.hang(request.environ, timing.hang_seconds)
        self._account.take_time()
        match outcome:
            case faults.DROP:
                return faults.drop(request.environ)
            case faults.GARBAGE:
                return faults.garbage()
            case faults.SLOW_BODY:
                return faults.slow_body(_answer(asked, outcome), timing.body_seconds)
            case _:
                return _answer(asked, outcome)


def _answer(asked: ImageRequest, outcome: str) -> Response:
    """Answer bytes with facts among the headers, or JSON, which was captured with the same headers."""
    reason = "CONTENT_FILTERED" if outcome == FILTERED else "SUCCESS"
    # Drawn in a thread, so that a thousand sleeping requests are not kept from waking.
    body: bytes = get_hub().threadpool.apply(_drawn, (asked.picture, outcome))
    g.facts = {"finish-reason": reason, "seed": str(asked.seed)}
    media_type = f"image/{asked.output_format}"
    if not asked.as_json:
        return Response(body, content_type=media_type)
    answer = jsonify({"image": b64encode(body).decode(), "finish_reason": reason, "seed": asked.seed})
    answer.content_type = f"application/json; type={media_type}"
    return answer


def _drawn(picture: Picture, outcome: str) -> bytes:
    if outcome == faults.EMPTY:
        return b""
    if outcome == FILTERED:
        return _blurred(picture)
    body = draw(picture.at_half_size() if outcome == faults.WRONG_SIZE else picture)
    return body[: len(body) // 2] if outcome == faults.TRUNCATED else body


def _blurred(picture: Picture) -> bytes:
    body = BytesIO()
    with Image.open(BytesIO(draw(picture))) as image:
        image.filter(ImageFilter.GaussianBlur(BLUR_PIXELS)).save(body, picture.format)
    return body.getvalue()


def _is_api() -> bool:
    return request.path != "/" and not request.path.startswith("/control")


def _is_v1() -> bool:
    return request.path.startswith("/v1/")
