"""Every way the BFL simulator refuses a request: FastAPI's body, BFL's wording, and what one can script."""

from dataclasses import dataclass, field
from typing import Any

from flask import Response, jsonify


@dataclass(eq=False)
class ApiError(Exception):
    status: int
    detail: str | list[dict[str, Any]]
    headers: dict[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        answer = jsonify({"detail": self.detail})
        answer.status_code = self.status
        answer.headers.update(self.headers)
        return answer


def missing_key() -> ApiError:
    return ApiError(403, "Not authenticated")


def wrong_key() -> ApiError:
    return ApiError(403, "Not authenticated - Invalid Authentication")


def insufficient_credits() -> ApiError:
    return ApiError(402, "Insufficient credits")


def too_many_tasks() -> ApiError:
    """The status is documented; its words were never captured."""
    return ApiError(429, "Too many active tasks")


REFUSALS = {
    "insufficient_credits": insufficient_credits(),
    "invalid_api_key": wrong_key(),
    "malformed_api_key": ApiError(422, "Invalid API key format"),
    "model_gone": ApiError(404, "Not Found"),
    "bad_request": ApiError(400, "Finetune not found or not ready"),
    "too_many_tasks": too_many_tasks(),
    "too_many_tasks_for_long": ApiError(429, "Too many active tasks", {"Retry-After": "17"}),
    "server_error": ApiError(500, "Internal Server Error"),
    "service_unavailable": ApiError(503, "Service Unavailable"),
}
