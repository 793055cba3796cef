"""Stability AI's v2beta Stable Image API: Stable Diffusion 3.5, Core and Ultra, one picture a call.

Wire facts: Stability's OpenAPI document and captured answers; see docs/providers/stability.md.
"""

from base64 import b64decode
from binascii import Error as NotBase64
from http import HTTPStatus
from math import log
from typing import Any

from core.generation import Size
from workers.providers.base import Delivered, Order, Provider, RawPicture
from workers.providers.errors import (
    Misconfigured,
    Moderated,
    OutcomeUnknown,
    ProviderError,
    Rejected,
    Throttled,
    Unavailable,
)
from workers.providers.http import Answer, Client, legible

OWN_ENDPOINT = {"core", "ultra"}
RATIOS = ((21, 9), (16, 9), (3, 2), (5, 4), (1, 1), (4, 5), (2, 3), (9, 16), (9, 21))
EXTRAS = ("negative_prompt", "style_preset")
LARGEST_SEED = 4_294_967_294
LOCK_SECONDS = 60.0  # for whoever makes more than 150 requests in 10 s
CALLERS = {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY}


class Stability(Provider):
    """`client` speaks to the root of a host, with the key in its headers."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def submit(self, order: Order) -> Delivered:
        endpoint = order.upstream_model if order.upstream_model in OWN_ENDPOINT else "sd3"
        path = f"/v2beta/stable-image/generate/{endpoint}"
        answer = self._client.post_form(path, _fields(order), accept="image/*")
        if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            raise _error(answer)
        return Delivered([RawPicture(_picture(answer))])


def _fields(order: Order) -> dict[str, str]:
    """Sizes are not Stability's way: the nearest ratio is ordered, and cut and scaled to the size later."""
    fields = {
        "prompt": order.prompt,
        "aspect_ratio": _aspect_ratio(order.size),
        "output_format": "png",
        **{name: str(order.extras[name]) for name in EXTRAS if order.extras.get(name)},
    }
    if order.upstream_model not in OWN_ENDPOINT:
        fields["model"] = order.upstream_model
    if seed := order.extras.get("seed"):
        fields["seed"] = str(_seed(seed, order.first))
    return fields


def _aspect_ratio(size: Size) -> str:
    width, height = size
    nearest = min(RATIOS, key=lambda ratio: abs(log(width / height) - log(ratio[0] / ratio[1])))
    return "{}:{}".format(*nearest)


def _seed(seed: int, position: int) -> int:
    """Each picture's own, from 1 up: 0 means any."""
    return (seed - 1 + position) % LARGEST_SEED + 1


def _picture(answer: Answer) -> bytes:
    """A filtered picture comes as a success, blurred; a success without a picture was very likely charged."""
    media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    finish_reason, data = answer.headers.get("finish-reason"), answer.body
    if media_type == "application/json":
        finish_reason, data = _unpacked(answer)
    elif not media_type.startswith("image/"):
        raise OutcomeUnknown(f"a {answer.status} of type {legible(media_type, most=100)!r}")
    if finish_reason == "CONTENT_FILTERED":
        raise Moderated(f"{answer.status} CONTENT_FILTERED")
    if not data:
        raise OutcomeUnknown(f"a {answer.status} without a picture")
    return data


def _unpacked(answer: Answer) -> tuple[Any, bytes]:
    """The reason's name is `finish-reason` among the headers, where captured answers had it too."""
    try:
        body = answer.json()
        reason = body.get("finish_reason") or answer.headers.get("finish-reason")
        return reason, b64decode(body.get("image") or "", validate=True)
    except (ValueError, NotBase64, TypeError, AttributeError) as error:
        raise OutcomeUnknown(f"a {answer.status} whose body holds no picture") from error


def _error(answer: Answer) -> ProviderError:
    name, errors = _fault(answer)
    words = legible("; ".join(errors))
    # A 401 is kept without its words, which may quote the key.
    detail = f"{answer.status} {name}: {words if answer.status != HTTPStatus.UNAUTHORIZED else 'the key'}"
    of_model = any(error.startswith("model:") for error in errors)
    if name == "content_moderation":
        return Moderated(detail)
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        told = answer.retry_after
        return Throttled(detail, retry_after=LOCK_SECONDS if told is None else told)
    if answer.status in CALLERS and not of_model:
        return Rejected(words or "The provider refused the request.")
    if answer.status == HTTPStatus.REQUEST_TIMEOUT or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Unavailable(detail)
    # The key, the credits, the upstream model, the address: a redirect, too, means that the address is wrong.
    return Misconfigured(detail)


def _fault(answer: Answer) -> tuple[str, list[str]]:
    """The slug, and the words: v2beta sends a list of them as `errors`, v1 a string as `message`."""
    try:
        fault = answer.json()
    except ValueError:
        return "", []
    if not isinstance(fault, dict):
        return "", []
    words = fault.get("errors") or fault.get("message") or []
    errors = words if isinstance(words, list) else [words]
    return legible(fault.get("name") or ""), [legible(error) for error in errors]
