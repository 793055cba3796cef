"""Every way the OpenAI simulator refuses: OpenAI's envelope, its wording, and the refusals one can script."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flask import Response, jsonify

USER_ERROR = "image_generation_user_error"
RATE_LIMITS = (
    "Please visit https://platform.openai.com/docs/guides/rate-limits to learn how to increase your rate limit."
)


@dataclass(eq=False)
class ApiError(Exception):
    message: str
    code: str | None = None
    param: str | None = None
    status: int = 400
    type: str = "invalid_request_error"
    headers: dict[str, str] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)

    def response(self) -> Response:
        envelope = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        answer = jsonify({"error": {**envelope, **self.details}})
        answer.status_code = self.status
        answer.headers.update(self.headers)
        return answer


@dataclass(frozen=True)
class Asked:
    """What a scripted refusal mentions in its text."""

    model: str
    is_dall_e: bool
    key: str
    request_id: str


def model_gone(model: str) -> ApiError:
    """Say what OpenAI says of unknown and of retired models: on images it is a 400."""
    return ApiError(f"The model '{model}' does not exist.", "invalid_value", "model", type=USER_ERROR)


def missing_key() -> ApiError:
    challenge = {"WWW-Authenticate": 'Bearer realm="OpenAI API"'}
    return ApiError("Missing bearer authentication in header", status=401, headers=challenge)


def wrong_key(key: str) -> ApiError:
    masked = f"{key[:8]}****{key[-4:]}" if len(key) >= 16 else "****"  # noqa: PLR2004 - a short one stays hidden
    return ApiError(
        f"Incorrect API key provided: {masked}. "
        "You can find your API key at https://platform.openai.com/account/api-keys.",
        "invalid_api_key",
        status=401,
        headers={"WWW-Authenticate": 'Bearer realm="OpenAI API"'},
    )


def refusal(outcome: str, asked: Asked) -> Response | None:
    """Answer a scripted refusal; None when the outcome is no refusal."""
    if outcome == "bad_gateway":
        page = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>\n"
        return Response(page, 502, content_type="text/html")
    if outcome == "edge_throttled":
        return Response("error code: 1015", 429, {"retry-after": "54749"}, content_type="text/plain")
    make = ERRORS.get(outcome)
    return make(asked).response() if make else None


def _rate_limit(asked: Asked) -> ApiError:
    headers = {
        "retry-after": "1",
        "x-ratelimit-limit-requests": "5",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "12s",
    }
    if asked.is_dall_e:
        text = f"images per minute in organization org-darkroom. Limit: 5/1min. Current: 6/1min. {RATE_LIMITS}"
        message, kind = f"Rate limit exceeded for {text}", "requests"
    else:
        headers["retry-after-ms"] = "240"
        text = "input-images per min: Limit 250, Used 250, Requested 1. Please try again in 240ms."
        message, kind = (
            f"Rate limit reached for {asked.model} in organization org-darkroom on {text}",
            "input-images",
        )
    return ApiError(message, "rate_limit_exceeded", status=429, type=kind, headers=headers)


def _insufficient_quota(_: Asked) -> ApiError:
    return ApiError(
        "You exceeded your current quota, please check your plan and billing details. For more information "
        "on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.",
        "insufficient_quota",
        status=429,
        type="insufficient_quota",
    )


def _billing_hard_limit(_: Asked) -> ApiError:
    return ApiError("Billing hard limit has been reached", "billing_hard_limit_reached")


def _moderation_blocked(asked: Asked, stage: str = "input") -> ApiError:
    return ApiError(
        f"Your request was rejected by the safety system. If you believe this is an error, contact us at "
        f"help.openai.com and include the request ID {asked.request_id}. safety_violations=[violence].",
        "moderation_blocked",
        type=USER_ERROR,
        details={"moderation_details": {"moderation_stage": stage, "categories": ["violence"]}},
    )


def _content_policy_violation(_: Asked) -> ApiError:
    return ApiError(
        "Your request was rejected as a result of our safety system. "
        "Your prompt may contain text that is not allowed by our safety system.",
        "content_policy_violation",
    )


def _unverified_organization(asked: Asked) -> ApiError:
    return ApiError(
        f"Your organization must be verified to use the model `{asked.model}`. "
        "Please go to: https://platform.openai.com/settings/organization/general "
        "and click on Verify Organization.",
        status=403,
    )


def _server_error(status: int) -> Callable[[Asked], ApiError]:
    def make(asked: Asked) -> ApiError:
        return ApiError(
            f"An error occurred while processing your request. You can retry your request, or contact us "
            f"through our help center at help.openai.com if the error persists. "
            f"Please include the request ID {asked.request_id} in your message.",
            "server_error",
            status=status,
            type="server_error",
        )

    return make


ERRORS: dict[str, Callable[[Asked], ApiError]] = {
    "rate_limit": _rate_limit,
    "insufficient_quota": _insufficient_quota,
    "billing_hard_limit": _billing_hard_limit,
    "moderation_blocked": _moderation_blocked,
    "moderation_blocked_output": lambda asked: _moderation_blocked(asked, "output"),
    "content_policy_violation": _content_policy_violation,
    "invalid_api_key": lambda asked: wrong_key(asked.key),
    "unverified_organization": _unverified_organization,
    "model_gone": lambda asked: model_gone(asked.model),
    "server_error": _server_error(500),
    "service_unavailable": _server_error(503),
    "gateway_timeout": _server_error(504),
}
REFUSALS = (*ERRORS, "bad_gateway", "edge_throttled")
