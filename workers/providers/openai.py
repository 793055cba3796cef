"""OpenAI's Images API, in both its eras: GPT image models, and DALL-E for upstreams that still serve it.

Wire facts: OpenAI's OpenAPI document 2.3.0 and recorded answers; see docs/providers/openai.md.
"""

import json
from base64 import b64decode
from binascii import Error as NotBase64
from http import HTTPStatus
from typing import Any

from workers.providers.base import Order, RawPicture
from workers.providers.errors import (
    Misconfigured,
    Moderated,
    OutcomeUnknown,
    ProviderError,
    Rejected,
    Throttled,
    Unavailable,
)
from workers.providers.http import Answer, Client

GPT_QUALITY = {"standard": "medium", "hd": "high"}
# GPT image models draw no less than this; smaller pictures are scaled down here.
GPT_SMALLEST = 1024
MODERATED_CODES = {"moderation_blocked", "content_policy_violation"}
OURS = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}
THEIRS = {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY}
BILLING_CODES = {
    "insufficient_quota",
    "billing_hard_limit_reached",
    "project_spend_limit_exceeded",
    "organization_spend_limit_exceeded",
}


class OpenAI:
    """A Provider. `client` speaks to a base address that ends in /v1, with the key in its headers."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def submit(self, order: Order) -> list[RawPicture]:
        native = order.upstream_model.startswith("dall-e")
        body = _dall_e(order) if native else _gpt_image(order)
        answer = self._client.post("/images/generations", body)
        if answer.status != HTTPStatus.OK:
            raise _error(answer)
        made_from = None if native else body["prompt"]
        return _pictures(answer.body, made_from)


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
    factor = max(1, GPT_SMALLEST // min(width, height))
    return {
        "model": order.upstream_model,
        "prompt": order.prompt + natural,
        "n": order.n,
        "size": f"{width * factor}x{height * factor}",
        "quality": GPT_QUALITY[order.quality],
        "output_format": "png",
    }


def _pictures(body: bytes, made_from: str | None) -> list[RawPicture]:
    """A 200 that holds no picture was very likely charged all the same."""
    try:
        items = json.loads(body)["data"]
        pictures = [
            RawPicture(b64decode(item["b64_json"], validate=True), item.get("revised_prompt") or made_from)
            for item in items
        ]
    except (ValueError, NotBase64, LookupError, TypeError, AttributeError) as error:
        raise OutcomeUnknown("a 200 whose body is not a list of pictures") from error
    if not pictures:
        raise OutcomeUnknown("a 200 without pictures")
    return pictures


def _error(answer: Answer) -> ProviderError:
    fault = _fault(answer.body)
    code, message = fault.get("code"), str(fault.get("message") or "")
    detail = f"{answer.status} {code}: {message}"
    if code in MODERATED_CODES:
        return Moderated(detail)
    if code in BILLING_CODES or answer.status in OURS or fault.get("param") == "model":
        return Misconfigured(detail)
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return Throttled(detail, retry_after=_retry_after(answer))
    if answer.status in THEIRS:
        return Rejected(message or "The provider refused the request.")
    return Unavailable(detail)


def _fault(body: bytes) -> dict[str, Any]:
    try:
        fault = json.loads(body)["error"]
    except (ValueError, LookupError, TypeError):
        return {}
    return fault if isinstance(fault, dict) else {}


def _retry_after(answer: Answer) -> float | None:
    for header, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return float(answer.headers[header]) * scale
        except (KeyError, ValueError):
            continue
    return None
