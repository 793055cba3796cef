"""The only status codes of failure: every error leaves in OpenAI's envelope, and says whether to retry.

The official SDKs retry 408, 409, 429 and every 5xx twice unless `x-should-retry` says otherwise; whatever would
make or charge a second picture for nothing says `false`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import structlog
from flask import Flask, Response, jsonify, request
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge

from core.errors import (
    Failure,
    FailureKind,
    IntakeInDoubt,
    InvalidRequest,
    KeyMissing,
    KeyUnknown,
    ModelMissing,
    PictureExpired,
    PictureMissing,
    StoreUnavailable,
)

log = structlog.get_logger()

INVALID = "invalid_request_error"
SERVER = "server_error"
# A key shorter than this would be given away by its first and last letters.
MASKABLE = 16


@dataclass(frozen=True, slots=True)
class Answer:
    """How one kind of failure is told: `retry` None leaves the decision to the client's own rules."""

    status: int
    type: str
    code: str | None = None
    retry: bool | None = False


FAILURES = {
    FailureKind.REJECTED: Answer(400, INVALID, "invalid_value"),
    FailureKind.MODERATED: Answer(400, INVALID, "content_policy_violation"),
    FailureKind.THROTTLED: Answer(429, "requests", "rate_limit_exceeded"),
    FailureKind.MISCONFIGURED: Answer(500, SERVER, "provider_misconfigured"),
    FailureKind.INTERNAL: Answer(500, SERVER, "internal_error"),
    FailureKind.LOST: Answer(500, SERVER, "worker_lost"),
    FailureKind.UNKNOWN: Answer(502, SERVER, "provider_outcome_unknown"),
    FailureKind.UNAVAILABLE: Answer(503, SERVER, "provider_unavailable"),
    FailureKind.STORE: Answer(503, SERVER, "store_unavailable"),
}
CANCELLED = Answer(409, INVALID, "job_cancelled")
STILL_RUNNING = Answer(504, SERVER, "still_running")


class JobFailed(Exception):
    """A waited-for job ended without pictures."""

    def __init__(self, failure: Failure | None) -> None:
        super().__init__(failure)
        self.failure = failure


class WaitTooLong(Exception):
    """The job outlives the longest wait; it goes on without its caller."""


def envelope(answer: Answer, message: str, *, param: str | None = None, code: str | None = None) -> Response:
    body = {"message": message, "type": answer.type, "param": param, "code": code or answer.code}
    response = jsonify(error=body)
    response.status_code = answer.status
    if answer.retry is not None:
        response.headers["x-should-retry"] = str(answer.retry).lower()
    return response


def _invalid_request(error: InvalidRequest) -> Response:
    return envelope(Answer(400, error.type), error.message, param=error.param, code=error.code)


def _unauthorized(error: KeyMissing | KeyUnknown) -> Response:
    if isinstance(error, KeyMissing):
        response = envelope(Answer(401, INVALID), "Missing bearer authentication in header")
    else:
        message = f"Incorrect API key provided: {_masked(error.key)}."
        response = envelope(Answer(401, INVALID, "invalid_api_key"), message)
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _masked(key: str) -> str:
    """Enough of a key for its owner to recognise it."""
    return f"{key[:3]}****{key[-4:]}" if len(key) >= MASKABLE and key.isascii() else "****"


def _job_failed(error: JobFailed) -> Response:
    if error.failure is None:
        return envelope(CANCELLED, "The job was cancelled.")
    return envelope(FAILURES[error.failure.kind], error.failure.message)


def _wait_too_long(_: WaitTooLong) -> Response:
    return envelope(STILL_RUNNING, "The picture is still being made; this call has waited as long as it may.")


def _picture_gone(error: PictureMissing | PictureExpired) -> Response:
    """403 for a dead link is what OpenAI's own picture URLs answer."""
    if isinstance(error, PictureExpired):
        return envelope(Answer(403, INVALID, "picture_expired"), "This picture has expired.")
    return envelope(Answer(404, INVALID, "picture_not_found"), "There is no such picture.")


def _model_missing(error: ModelMissing) -> Response:
    message = f"The model '{error.args[0]}' does not exist"
    return envelope(Answer(404, INVALID, "model_not_found"), message, param="model")


def _dependency_down(error: Exception) -> Response:
    """Nothing was started, so a retry is safe and likely to help."""
    log.error("dependency.unavailable", error=str(error).partition("\n")[0])
    response = envelope(
        Answer(503, SERVER, "temporarily_unavailable", retry=True), "The service is temporarily unavailable."
    )
    response.headers["Retry-After"] = "1"
    return response


def _in_doubt(_: IntakeInDoubt) -> Response:
    """The job may be on the ledger, so that a retry could buy its pictures twice."""
    return envelope(Answer(503, SERVER, "outcome_unknown"), "The request may or may not have been accepted.")


def _http(error: HTTPException) -> Response:
    match error:
        case NotFound():
            message = f"Invalid URL ({request.method} {request.path})"
        case MethodNotAllowed():
            message = f"Not allowed to {request.method} on {request.path}."
        case RequestEntityTooLarge():
            message = "The request body is too large."
        case _:
            message = error.description or error.name
    response = envelope(Answer(error.code or 500, INVALID), message)
    response.headers.extend([pair for pair in error.get_headers() if pair[0] in {"Allow", "Content-Range"}])
    return response


def _bug(error: Exception) -> Response:
    log.error("request.crashed", exc_info=error)
    return envelope(Answer(500, SERVER), "The server had an error while processing your request.")


def register(app: Flask) -> None:
    handlers: dict[Callable[..., Response], tuple[type[Exception], ...]] = {
        _invalid_request: (InvalidRequest,),
        _unauthorized: (KeyMissing, KeyUnknown),
        _model_missing: (ModelMissing,),
        _picture_gone: (PictureMissing, PictureExpired),
        _job_failed: (JobFailed,),
        _wait_too_long: (WaitTooLong,),
        _dependency_down: (StoreUnavailable, OperationalError, InterfaceError, PoolTimeout),
        _in_doubt: (IntakeInDoubt,),
        _http: (HTTPException,),
        _bug: (Exception,),
    }
    for handler, kinds in handlers.items():
        for kind in kinds:
            app.register_error_handler(kind, handler)
