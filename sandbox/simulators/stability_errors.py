"""Every way the Stability simulator refuses: both envelopes, Stability's wording, and what one can script."""

from dataclasses import dataclass, field
from typing import Any

from flask import Response, g, jsonify

MULTIPART_ONLY = "content-type: must be multipart/form-data"


@dataclass(eq=False)
class ApiError(Exception):
    """`is_v1` chooses the older envelope, with one `message` where v2beta has `errors`."""

    status: int
    name: str
    errors: list[str]
    is_v1: bool = False
    headers: dict[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        words: dict[str, Any] = {"message": "; ".join(self.errors)} if self.is_v1 else {"errors": self.errors}
        answer = jsonify({"id": g.request_id, "name": self.name, **words})
        answer.status_code = self.status
        answer.headers.update(self.headers)
        return answer


def bad_request(*errors: str) -> ApiError:
    return ApiError(400, "bad_request", list(errors))


def unauthorized(key: str, *, is_v1: bool = False) -> ApiError:
    """Say what v2beta says of every key, and v1 of a missing and of a wrong one, whose ends it shows."""
    if not is_v1:
        text = "authorization: invalid or missing header value"
    elif key:
        masked = f"{key[:7]}{'*' * (len(key) - 11)}{key[-4:]}" if len(key) > 11 else "****"  # noqa: PLR2004
        text = f"Incorrect API key provided: {masked}. You can find your API key at https://stability.ai."
    else:
        text = "missing authorization header"
    return ApiError(401, "unauthorized", [text], is_v1=is_v1)


def payment_required() -> ApiError:
    return ApiError(402, "payment_required", [NO_CREDITS])


def not_found(*, is_v1: bool = False) -> ApiError:
    return ApiError(404, "not_found", ["the requested resource could not be found"], is_v1=is_v1)


def payload_too_large() -> ApiError:
    return ApiError(413, "payload_too_large", [TOO_LARGE])


def rate_limit_exceeded() -> ApiError:
    return ApiError(429, "rate_limit_exceeded", [LOCKED_OUT])


def refusal(outcome: str, key: str) -> Response | None:
    """Answer a scripted refusal; None when the outcome is no refusal."""
    if outcome == "unauthorized":
        return unauthorized(key).response()
    if outcome == "bad_gateway":
        page = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>\n"
        return Response(page, 502, content_type="text/html")
    if outcome not in ERRORS:
        return None
    status, name, text = ERRORS[outcome]
    headers = {"retry-after": "30"} if outcome == "rate_limit_with_retry_after" else {}
    return ApiError(status, name, [text], headers=headers).response()


NO_CREDITS = (
    "You lack sufficient credits to make this request. "
    "Please purchase more credits at https://platform.stability.ai/account/credits and try again."
)
TOO_LARGE = "body: payloads cannot be larger than 10MiB in size"
LOCKED_OUT = (
    "You have exceeded the rate limit of 150 requests within a 10 second period, "
    "and have been timed out for 60 seconds."
)
FLAGGED = (
    "Your request was flagged by our content moderation system, as a result your request was denied "
    "and you were not charged."
)
# Where a key is not the name in the envelope, it is a form that is rarer, older or only suspected.
ERRORS = {
    "bad_request": (400, "bad_request", "some-field: is required"),
    "payment_required": (402, "payment_required", NO_CREDITS),
    "payment_required_as_403": (403, "payment_required", NO_CREDITS),
    "content_moderation": (403, "content_moderation", FLAGGED),
    "not_found": (404, "not_found", "the requested resource could not be found"),
    "payload_too_large": (413, "payload_too_large", TOO_LARGE),
    "content_too_large": (413, "content_too_large", TOO_LARGE),
    "invalid_language": (422, "invalid_language", "English is the only supported language for this service."),
    "invalid_prompt": (422, "invalid_prompt", "prompt: cannot be processed"),
    "rate_limit_exceeded": (429, "rate_limit_exceeded", LOCKED_OUT),
    "rate_limit_with_retry_after": (429, "rate_limit_exceeded", LOCKED_OUT),
    "internal_error": (500, "internal_error", "An unexpected server error has occurred"),
    "service_unavailable": (503, "service_unavailable", "the service is temporarily unavailable"),
}
REFUSALS = ("unauthorized", *ERRORS, "bad_gateway")
