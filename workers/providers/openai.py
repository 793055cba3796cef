"""OpenAI's Images API, in both its eras: GPT image models, and DALL-E for upstreams that still serve it.

Wire facts: OpenAI's OpenAPI document 2.3.0 and recorded answers; see docs/providers/openai.md.
"""

from base64 import b64decode
from binascii import Error as NotBase64
from http import HTTPStatus
from math import ceil
from typing import Any

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

GPT_QUALITY = {"standard": "medium", "hd": "high"}
# GPT image models draw no less than this; smaller pictures are scaled down here.
GPT_SMALLEST = 1024
LONGEST_PROMPT = 32_000
MODERATED_CODES = {"moderation_blocked", "content_policy_violation"}
TRY_AGAIN = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT}
CALLERS = {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY}
BILLING_CODES = {
    "insufficient_quota",
    "billing_hard_limit_reached",
    "project_spend_limit_exceeded",
    "organization_spend_limit_exceeded",
}


class OpenAI(Provider):
    """`client` speaks to a base address that ends in /v1, with the key in its headers."""

    pictures_per_call = 10

    def __init__(self, client: Client) -> None:
        self._client = client

    def submit(self, order: Order) -> Delivered:
        native = order.upstream_model.startswith("dall-e")
        body = _dall_e(order) if native else _gpt_image(order)
        answer = self._client.post("/images/generations", body)
        if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            raise _error(answer)
        made_from = None if native else body["prompt"]
        return Delivered(_pictures(answer, made_from))


def _dall_e(order: Order) -> dict[str, Any]:
    body = {
        "model": order.upstream_model,
        "prompt": order.prompt,
        "n": order.n,
        "size": str(order.size),
        "response_format": "b64_json",
    }
    if order.upstream_model == "dall-e-3":
        body |= {"quality": order.quality, "style": order.style or "vivid"}
    return body


def _gpt_image(order: Order) -> dict[str, Any]:
    """GPT image models know no `style`: the one that is not their habit goes into the prompt."""
    natural = "\n\nA natural, realistic look, not hyper-real or dramatic." if order.style == "natural" else ""
    width, height = order.size
    factor = ceil(GPT_SMALLEST / min(width, height))
    return {
        "model": order.upstream_model,
        "prompt": order.prompt + natural,
        "n": order.n,
        "size": f"{width * factor}x{height * factor}",
        "quality": GPT_QUALITY[order.quality],
        "output_format": "png",
    }


def _pictures(answer: Answer, made_from: str | None) -> list[RawPicture]:
    """A success that holds no picture was very likely charged all the same."""
    try:
        pictures = [_picture(item, made_from) for item in answer.json()["data"]]
    except (ValueError, NotBase64, LookupError, TypeError, AttributeError) as error:
        raise OutcomeUnknown(f"a {answer.status} whose body is not a list of pictures") from error
    if not pictures:
        raise OutcomeUnknown(f"a {answer.status} without pictures")
    return pictures


def _picture(item: dict[str, Any], made_from: str | None) -> RawPicture:
    revised = item.get("revised_prompt")
    data = b64decode(item["b64_json"], validate=True)
    return RawPicture(data, legible(revised, most=LONGEST_PROMPT) if revised else made_from)


def _error(answer: Answer) -> ProviderError:
    fault = _fault(answer)
    code, message = legible(fault.get("code")), legible(fault.get("message") or "")
    detail = f"{answer.status} {code}: {message}"
    if code in MODERATED_CODES:
        return Moderated(detail)
    if code in BILLING_CODES or fault.get("param") == "model":
        return Misconfigured(detail)
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return Throttled(detail, retry_after=answer.retry_after)
    if answer.status in CALLERS:
        return Rejected(message or "The provider refused the request.")
    if answer.status in TRY_AGAIN or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Unavailable(detail)
    # The key, the account, the address: a redirect, too, means that the address is wrong.
    return Misconfigured(detail)


def _fault(answer: Answer) -> dict[str, Any]:
    try:
        fault = answer.json()["error"]
    except (ValueError, LookupError, TypeError):
        return {}
    return fault if isinstance(fault, dict) else {}
