"""What is posted to a JSON route becomes an object, or an InvalidRequest in OpenAI's own wording."""

import json
from typing import Any, NoReturn

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge

from api.wording import Code, kind, not_json
from core.errors import InvalidRequest


def read_json(request: Request) -> dict[str, Any]:
    """The body as a JSON object. Raises InvalidRequest, RequestEntityTooLarge."""
    refuse_other_types(request, "application/json")
    data = request.get_data()
    # Werkzeug cuts off in silence where a client does not say beforehand how long its body is.
    if request.content_length is None and len(data) == request.max_content_length:
        raise RequestEntityTooLarge
    try:
        body = json.loads(data, parse_constant=_not_json)
    except (ValueError, RecursionError):  # the latter: nested beyond all reason
        raise not_json() from None
    if not isinstance(body, dict):
        raise InvalidRequest(
            f"Invalid type for the request body: expected an object, but got {kind(body)} instead.",
            code=Code.INVALID_TYPE,
        )
    return body


def refuse_other_types(request: Request, accepted: str) -> None:
    """Raises InvalidRequest."""
    if request.mimetype != accepted:
        given = request.headers.get("Content-Type", "")
        raise InvalidRequest(
            f"Unsupported content type: '{request.mimetype}'. This API method only accepts '{accepted}' "
            f"requests, but you specified the header 'Content-Type: {given}'. "
            "Please try again with a supported content type."
        )


def _not_json(word: str) -> NoReturn:
    """Python would read NaN and Infinity, JSON knows neither."""
    raise ValueError(word)
