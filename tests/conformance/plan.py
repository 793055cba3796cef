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

# The SDKs of all languages name their errors alike.
REFUSALS: list[dict[str, Any]] = [
    {"error": "BadRequestError", "code": "invalid_size", "request": {"model": "dall-e-3", "size": "256x256"}},
    {"error": "BadRequestError", "code": "invalid_value", "request": {"model": "dall-e-4"}},
    {"error": "BadRequestError", "code": "empty_string", "request": {"prompt": ""}},
    {
        "error": "BadRequestError",
        "code": "content_policy_violation",
        "request": {"prompt": "[[content_policy_violation]]"},
    },
    {"error": "AuthenticationError", "code": "invalid_api_key", "api_key": "sk-nobody", "request": {}},
    {
        "error": "InternalServerError",
        "code": "provider_misconfigured",
        "request": {"prompt": "[[invalid_api_key]]"},
    },
]


def plan(house: House) -> str:
    return json.dumps(
        {
            "base_url": house.base_url,
            "api_key": house.api_key,
            "folder": str(house.folder),
            "models": MODEL_IDS,
            "cases": CASES,
            "refusals": REFUSALS,
        }
    )
