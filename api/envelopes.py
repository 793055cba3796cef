"""An error becomes an answer: OpenAI's envelope, and the headers by which SDKs decide whether to come again."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil
from typing import ClassVar

import structlog
from flask import Flask, Response, jsonify, request
from pydantic import ConfigDict
from werkzeug.exceptions import HTTPException

from api.errors import (
    BUG,
    CANCELLED,
    ERRORS,
    FAILURES,
    FOUND_AGAIN,
    INVALID,
    LONGEST_WAIT,
    NOTHING_STARTED,
    PROTOCOL,
    RESTARTING,
    STILL_RUNNING,
    Answer,
    JobFailed,
    Restarting,
    WaitTooLong,
)
from core.errors import CapReached, InvalidRequest, KeyUnknown, RateExceeded

log = structlog.get_logger()

# A key shorter than this would be given away by its first and last letters.
MASKABLE = 16
# By the ledger's column.
CAPS = {
    "cap": "this API key's spend cap",
    "cap_a_day": "this API key's spend cap for the day",
    "cap_a_month": "this API key's spend cap for the month",
}


@dataclass(frozen=True, slots=True)
class Error:
    """What went wrong. All four keys are always there."""

    __pydantic_config__: ClassVar = ConfigDict(use_attribute_docstrings=True)

    message: str
    """For people. Its wording may change."""
    type: str
    """The family of the error."""
    param: str | None
    """The parameter that is at fault, where it is one."""
    code: str | None
    """For programs."""


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """OpenAI's envelope around an error."""

    error: Error


def register(app: Flask) -> None:
    for kind in ERRORS:
        app.register_error_handler(kind, _told)
    app.register_error_handler(InvalidRequest, _refused)
    app.register_error_handler(KeyUnknown, _key_unknown)
    app.register_error_handler(CapReached, _cap_reached)
    app.register_error_handler(RateExceeded, _rate_exceeded)
    app.register_error_handler(JobFailed, _job_failed)
    app.register_error_handler(WaitTooLong, _wait_too_long)
    app.register_error_handler(HTTPException, _protocol)
    app.register_error_handler(Exception, _bug)


def envelope(answer: Answer, message: str = "", *, headers: Mapping[str, str] | None = None) -> Response:
    response = jsonify(error_response(answer, message))
    response.status_code = answer.status
    response.headers.update({**_advice(answer), **(headers or {})})
    return response


def error_response(answer: Answer, message: str = "") -> ErrorResponse:
    return ErrorResponse(Error(message or answer.message, answer.type, answer.param, answer.code))


def _advice(answer: Answer) -> dict[str, str]:
    """SDKs read the milliseconds, others the seconds. Never none at all: SDKs take that for no advice."""
    if answer.retry_after is None:
        return {"x-should-retry": "false"}
    seconds = min(max(answer.retry_after, 0.001), LONGEST_WAIT)
    return {
        "x-should-retry": "true",
        "retry-after": str(ceil(seconds)),
        "retry-after-ms": str(ceil(seconds * 1000)),
    }


def _told(error: Exception) -> Response:
    answer = next(ERRORS[kind] for kind in type(error).__mro__ if kind in ERRORS)
    if answer is NOTHING_STARTED:
        log.error("dependency.unavailable", error=str(error).partition("\n")[0])
    return _worded(answer, error)


def _worded(answer: Answer, error: Exception, **words: str) -> Response:
    headers = {"WWW-Authenticate": "Bearer"} if answer.status == 401 else {}  # noqa: PLR2004 - HTTP's own number
    return envelope(answer, answer.message.format(error=error, **words), headers=headers)


def _refused(error: InvalidRequest) -> Response:
    return envelope(Answer(400, error.type, error.code, error.message, error.param))


def _key_unknown(error: KeyUnknown) -> Response:
    return _worded(ERRORS[KeyUnknown], error, masked=_masked(error.key))


def _masked(key: str) -> str:
    """Enough of a key for its owner to recognise it."""
    return f"{key[:3]}****{key[-4:]}" if len(key) >= MASKABLE and key.isascii() else "****"


def _cap_reached(error: CapReached) -> Response:
    return _worded(ERRORS[CapReached], error, cap=CAPS[error.cap])


def _rate_exceeded(error: RateExceeded) -> Response:
    answer = replace(ERRORS[RateExceeded], retry_after=error.seconds)
    return _worded(answer, error, wait=f"{ceil(error.seconds)}s")


def _job_failed(error: JobFailed) -> Response:
    headers = {"darkroom-job": str(error.job_id)}
    if error.failure is None:
        return envelope(CANCELLED, headers=headers)
    return envelope(FAILURES[error.failure.kind], error.failure.message, headers=headers)


def _wait_too_long(error: WaitTooLong) -> Response:
    headers = {"darkroom-job": str(error.job_id), "Location": f"/v1/images/jobs/{error.job_id}"}
    if not error.retry:
        return envelope(STILL_RUNNING, headers=headers)
    return envelope(RESTARTING if isinstance(error, Restarting) else FOUND_AGAIN, headers=headers)


def _protocol(error: HTTPException) -> Response:
    """What Werkzeug refuses; where we have no words for it, in its own."""
    answer = PROTOCOL.get(type(error)) or Answer(error.code or 500, INVALID)
    words = answer.message.format(method=request.method, path=request.path)
    kept = {name: value for name, value in error.get_headers() if name in {"Allow", "Content-Range"}}
    return envelope(answer, words or error.description or error.name, headers=kept)


def _bug(error: Exception) -> Response:
    log.error("request.crashed", exc_info=error)
    return envelope(BUG)
