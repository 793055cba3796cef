"""Addresses that callers name for events: refused at once where nothing could ever be told to them."""

from collections.abc import Sequence

from api.wording import Code
from core import hosts
from core.errors import InvalidRequest
from core.hosts import AllowedHost


def check(name: str, url: str, allowed: Sequence[AllowedHost]) -> str:
    """The address itself. Raises InvalidRequest, which names the parameter."""
    try:
        hosts.check(url, allowed)
    except ValueError as error:
        message = f"Invalid '{name}': {error}."
        raise InvalidRequest(message, code=Code.INVALID_VALUE, param=name) from error
    return url
