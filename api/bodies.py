"""What is posted to a JSON route becomes an object, or an InvalidRequest in OpenAI's own wording."""

import json
from typing import Any, NoReturn

from flask import Request

from api.wording import Code, kind
from core.errors import InvalidRequest


def read_json(request: Request) -> dict[str, Any]:
    """The body as a JSON object. Raises InvalidRequest."""
    if request.mimetype != "application/json":
        given = request.headers.get("Content-Type", "")
        raise InvalidRequest(
            f"Unsupported content type: '{request.mimetype}'. This API method only accepts 'application/json' "
            f"requests, but you specified the header 'Content-Type: {given}'. "
            "Please try again with a supported content type."
        )
    try:
        body = json.loads(request.get_data(), parse_constant=_not_json)
    except (ValueError, RecursionError):  # the latter: nested beyond all reason
        raise InvalidRequest(
            "We could not parse the JSON body of your request. (HINT: the body must be valid JSON, "
            "sent with the header 'Content-Type: application/json'.)"
        ) from None
    if not isinstance(body, dict):
        raise InvalidRequest(
            f"Invalid type for the request body: expected an object, but got {kind(body)} instead.",
            code=Code.INVALID_TYPE,
        )
    return body


def _not_json(word: str) -> NoReturn:
    """Python would read NaN and Infinity, JSON knows neither."""
    raise ValueError(word)
