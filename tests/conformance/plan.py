"""What every client is asked to do: handed to its script on standard input, so that all are asked the same."""

import json
from itertools import product
from typing import Any

from core import catalog_file
from tests.conformance.house import House

MODELS, _ = catalog_file.read(None)
MODEL_IDS = [model.id for model in MODELS]

CASES = [
    {"model": model.id, "size": str(size), "response_format": response_format}
    for model in MODELS
    for size, response_format in product(model.sizes, ("url", "b64_json"))
]


def plan(house: House) -> str:
    return json.dumps(
        {
            "base_url": house.base_url,
            "api_key": house.api_key,
            "folder": str(house.folder),
            "models": MODEL_IDS,
            "cases": CASES,
            "refusals": _refusals(house),
        }
    )


def _refusals(house: House) -> list[dict[str, Any]]:
    """Calls of which the last one at the latest is refused; the SDKs of all languages name their errors alike."""
    return [
        _refusal("BadRequestError", "invalid_size", {"model": "dall-e-3", "size": "256x256"}),
        _refusal("BadRequestError", "invalid_value", {"model": "dall-e-4"}),
        _refusal("BadRequestError", "empty_string", {"prompt": ""}),
        _refusal("BadRequestError", "content_policy_violation", {"prompt": "[[content_policy_violation]]"}),
        _refusal("AuthenticationError", "invalid_api_key", {}, api_key="sk-nobody"),
        _refusal(
            "PermissionDeniedError", "model_not_allowed", {"model": "dall-e-3"}, api_key=house.keys["one model"]
        ),
        _refusal("PermissionDeniedError", "spend_cap_reached", {}, api_key=house.keys["no money"]),
        _refusal("UnprocessableEntityError", "idempotency_key_reused", {}, {"model": "dall-e-2"}, idempotent=True),
        _refusal("RateLimitError", "rate_limit_exceeded", {}, {}, api_key=house.keys["one a minute"]),
        _refusal("InternalServerError", "provider_misconfigured", {"prompt": "[[invalid_api_key]]"}),
    ]


def _refusal(error: str, code: str, *requests: dict[str, str], **how: Any) -> dict[str, Any]:
    return {"error": error, "code": code, "requests": requests, **how}
