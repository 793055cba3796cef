"""What the answers of OpenAI's image route mean, from OpenAI itself and from servers that took its route over."""

from base64 import b64decode
from binascii import Error as NotBase64
from http import HTTPStatus
from typing import Any

from workers.providers.base import RawPicture
from workers.providers.errors import (
    Misconfigured,
    Moderated,
    OutcomeUnknown,
    ProviderError,
    Rejected,
    Throttled,
    Unavailable,
)
from workers.providers.http import Answer, legible

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


def pictures(answer: Answer, made_from: str | None = None) -> list[RawPicture]:
    """The pictures of an answer, made from their own `revised_prompt` or else `made_from`.

    Raises what an answer other than a success means; OutcomeUnknown for a success without a picture, which was
    very likely charged all the same.
    """
    if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        raise _error(answer)
    try:
        found = [_picture(item, made_from) for item in answer.json()["data"]]
    except (ValueError, NotBase64, LookupError, TypeError, AttributeError) as error:
        raise OutcomeUnknown(f"a {answer.status} whose body is not a list of pictures") from error
    if not found:
        raise OutcomeUnknown(f"a {answer.status} without pictures")
    return found


def _picture(item: dict[str, Any], made_from: str | None) -> RawPicture:
    revised = item.get("revised_prompt")
    if item.get("url") and not item.get("b64_json"):
        raise Misconfigured("the upstream sent an address, though it was asked for the picture itself")
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
    """OpenAI's `error`, or the `detail` that servers built with FastAPI send in its place."""
    try:
        body = answer.json()
        fault, detail = body.get("error"), body.get("detail")
    except (ValueError, AttributeError):
        return {}
    if isinstance(fault, dict):
        return fault
    return {"message": _words(detail)} if detail else {}


def _words(detail: object) -> str:
    """A list names the field of each fault; what was in it is left out, since it may be the prompt."""
    if not isinstance(detail, list):
        return detail if isinstance(detail, str) else ""
    faults = [fault for fault in detail if isinstance(fault, dict)]
    return "; ".join(f"{_place(fault.get('loc'))}: {fault.get('msg')}" for fault in faults)


def _place(loc: object) -> str:
    return ".".join(map(str, loc[1:])) if isinstance(loc, list) else "body"
