"""Every error that can be answered, worded as a caller might read it, from the tables that answer."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from http import HTTPStatus
from itertools import groupby
from typing import Any

from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from api import wording
from api.envelopes import CAPS, ErrorResponse, error_response
from api.errors import ERRORS, FAILURES, PROTOCOL, Answer
from api.openapi import headers
from api.openapi.samples import JOB_ID
from api.openapi.schemas import ref
from api.schemas import ImageGenerationBody
from core.errors import (
    BatchMissing,
    BatchUnfit,
    DeliveryMissing,
    FailureKind,
    FileMissing,
    InvalidRequest,
    JobIsSettled,
    JobMissing,
    KeyExpired,
    KeyMissing,
    KeyUnknown,
    ModelForbidden,
    ModelMissing,
    RateExceeded,
    TooManyInFlight,
    TooManyWebhooks,
    WebhookMissing,
)

# What a message says of the case at hand.
CASES: Mapping[type[Exception], Exception] = {
    FileMissing: FileMissing("file-abc123"),
    BatchMissing: BatchMissing("batch_abc123"),
    BatchUnfit: BatchUnfit("cancel", "completed"),
    JobMissing: JobMissing(JOB_ID),
    JobIsSettled: JobIsSettled("completed"),
    ModelForbidden: ModelForbidden("dall-e-3"),
    ModelMissing: ModelMissing("dall-e-4"),
    RateExceeded: RateExceeded("requests", limit=60, seconds=7),
    TooManyInFlight: TooManyInFlight(10),
    TooManyWebhooks: TooManyWebhooks(10),
    WebhookMissing: WebhookMissing("0199d0c1-2345-7abc-8def-0123456789ab"),
    DeliveryMissing: DeliveryMissing("msg_0199d0c1-2345-7abc-8def-0123456789ab"),
}
WORDS = {"masked": "sk-****MxYA", "cap": CAPS["cap_a_day"], "wait": "7s", "method": "GET", "path": "/v1/nowhere"}
FAILED = {
    FailureKind.REJECTED: "The provider refused the request.",
    FailureKind.MODERATED: "Your request was refused for its content.",
    FailureKind.THROTTLED: "The provider has too much to do.",
    FailureKind.MISCONFIGURED: "The provider does not accept this service's account.",
    FailureKind.INTERNAL: "The service made an error while making the picture.",
    FailureKind.LOST: "The workers that made this picture were lost, several times over.",
    FailureKind.UNKNOWN: "The provider's answer was lost.",
    FailureKind.UNAVAILABLE: "The provider is not available.",
    FailureKind.STORE: "The picture was made, but could not be stored.",
}
WRONG_BODIES: tuple[dict[str, Any], ...] = (
    {},
    {"prompt": "a fox", "n": "2"},
    {"prompt": ""},
    {"prompt": "a fox", "n": 0},
    {"prompt": "a fox", "n": 11},
    {"prompt": "a fox", "metadata": {"order": "x" * 513}},
    {"prompt": "a fox", "metadata": {str(number): "" for number in range(17)}},
    {"prompt": "a fox", "metadata": {"k" * 65: ""}},
)


def of(*kinds: type[Exception]) -> list[Answer]:
    return [_worded(ERRORS[kind], CASES.get(kind, Exception())) for kind in kinds]


def of_callers() -> list[Answer]:
    """What a call without a key in force is answered."""
    return of(KeyMissing, KeyUnknown, KeyExpired)


def of_jobs() -> list[Answer]:
    """What the caller of a job that failed is answered."""
    return [replace(answer, message=FAILED[kind]) for kind, answer in FAILURES.items()]


def of_protocol(kind: type[HTTPException]) -> list[Answer]:
    return [_worded(PROTOCOL[kind], Exception())]


def of_bodies() -> list[Answer]:
    """What a body that cannot be accepted is answered."""
    found = [
        wording.not_json(),
        wording.unknown("stream"),
        wording.not_a_member("response_format", "png", wording.ENUMS["response_format"]),
        wording.no_model("dall-e-4"),
        wording.size_of_others(),
        wording.compressed_png(),
    ]
    return [*map(refused, found), *by(ImageGenerationBody.model_validate, *WRONG_BODIES)]


def by(check: Callable[[Any], object], *wrong: Any) -> list[Answer]:
    """What is answered to each of these, which a check of the API's own refuses."""
    return [refused(_fault(check, each)) for each in wrong]


def refused(error: InvalidRequest) -> Answer:
    return Answer(HTTPStatus.BAD_REQUEST, error.type, error.code, error.message, error.param)


def responses(answers: Iterable[Answer], *, makes_jobs: bool = False) -> dict[str, Any]:
    """The answers by status, in OpenAPI's words, with each kind of error as an example."""
    ordered = sorted(dict.fromkeys(answers), key=lambda answer: answer.status)
    return {
        str(status): _response(HTTPStatus(status), list(same), makes_jobs=makes_jobs)
        for status, same in groupby(ordered, lambda answer: answer.status)
    }


def _response(status: HTTPStatus, answers: list[Answer], *, makes_jobs: bool) -> dict[str, Any]:
    content = {"schema": ref(ErrorResponse), "examples": _examples(answers)}
    return {
        "description": f"{status.phrase}.",
        "headers": headers.of_errors(status, answers, makes_jobs=makes_jobs),
        "content": {"application/json": content},
    }


def _examples(answers: list[Answer]) -> dict[str, Any]:
    """By code; where two kinds of error share one, the second is told apart by a number."""
    found: dict[str, Any] = {}
    for answer in answers:
        name = answer.code or answer.type
        names = [name, *(f"{name}_{number}" for number in range(2, len(answers) + 1))]
        free = next(each for each in names if each not in found)
        found[free] = {"value": asdict(error_response(answer)), "x-should-retry": answer.retry}
    return found


def _worded(answer: Answer, error: Exception) -> Answer:
    return replace(answer, message=answer.message.format(error=error, **WORDS))


def _fault(check: Callable[[Any], object], wrong: Any) -> InvalidRequest:
    try:
        check(wrong)
    except InvalidRequest as error:
        return error
    except ValidationError as error:
        return wording.first(error.errors(include_url=False), wording.ENUMS)
    raise AssertionError(wrong)
