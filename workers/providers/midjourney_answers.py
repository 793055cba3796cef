"""Reads what a midjourney-proxy says, in both its dialects: codes in a 200, tasks, and why a task failed."""

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self

from workers.providers.errors import (
    Misconfigured,
    Moderated,
    OutcomeUnknown,
    ProviderError,
    Rejected,
    TaskFailed,
    Throttled,
    Unavailable,
)
from workers.providers.http import Answer, legible

SUBMITTED, EXISTS, QUEUED = 1, 21, 22
ACCEPTED = {SUBMITTED, EXISTS, QUEUED}
REFUSALS = NO_ACCOUNT, INVALID, FAILED, QUEUE_FULL, BANNED, RELAY_LIMIT = 3, 4, 9, 23, 24, 30

QUEUE_WORDS = ("队列", "queue")
CONCURRENCY_WORDS = ("并发", "频繁", "concurren", "too many")
MONEY_WORDS = ("quota", "额度", "余额", "上限", "balance", "insufficient")
MODERATED_WORDS = ("banned prompt", "denied", "moderat", "blocked", "sensitive", "敏感", "违规")
INVALID_WORDS = ("invalid parameter", "invalid link")
# The proxy's own patience is over, not Midjourney's work: the picture may still be made, and is charged.
TIMEOUT_WORDS = ("超时", "timeout", "timed out")

UPSCALE = re.compile(r"MJ::JOB::upsample::([1-4])::")
CALLERS = {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """`upscales` are the buttons' ids by cell, 1 to 4; None in the dialect that has no buttons."""

    id: str
    status: str
    image_url: str | None
    image_urls: list[str]
    fail_reason: str
    upscales: dict[int, str] | None

    @classmethod
    def parse(cls, task_id: str, told: dict[str, Any]) -> Self:
        return cls(
            id=task_id,
            status=legible(told.get("status")),
            image_url=_text(told.get("imageUrl")),
            image_urls=[url for entry in _list(told.get("imageUrls")) if (url := _url(entry))],
            fail_reason=legible(told.get("failReason") or ""),
            upscales=_upscales(_list(told["buttons"])) if "buttons" in told else None,
        )


def accepted(answer: Answer) -> str:
    """The id of the task that a submit made. Raises ProviderError."""
    told = _told(answer)
    code = told.get("code") if isinstance(told, dict) else None
    if answer.status == HTTPStatus.OK and code in ACCEPTED:
        return _id(told.get("result"))
    # A relay sends a refusal's code with other statuses, too; but what else has a `code` there is not ours.
    if code in REFUSALS or (isinstance(code, int) and answer.status == HTTPStatus.OK):
        raise _refusal(code, legible(told.get("description") or ""), answer)
    raise _error(answer)


def found(task_id: str, answer: Answer) -> Task | None:
    """The task of a fetch; None where the proxy knows of none, which it says by saying nothing."""
    if answer.status in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND}:
        return None
    if answer.status == HTTPStatus.OK:
        if answer.body.strip() in {b"", b"null"}:
            return None
        told = _told(answer)
        if isinstance(told, dict) and "status" in told:
            return Task.parse(task_id, told)
        raise Unavailable("a 200 whose body is not a task")
    if _passes(answer.status) or answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        raise Unavailable(f"{answer.status} for a task")
    raise Misconfigured(f"{answer.status} for a task")


def failure(task: Task) -> ProviderError:
    """What a task that ended without a picture means."""
    reason = task.fail_reason.lower()
    if _has(reason, MODERATED_WORDS):
        return Moderated(task.fail_reason)
    if _has(reason, INVALID_WORDS):
        return Rejected(task.fail_reason)
    if _has(reason, TIMEOUT_WORDS):
        return OutcomeUnknown(f"{task.status}: {task.fail_reason}")
    return TaskFailed(f"{task.status}: {task.fail_reason}")


def _refusal(code: int, description: str, answer: Answer) -> ProviderError:
    detail = f"code {code}: {description}"
    if code == BANNED:
        return Moderated(detail)
    if _is_throttled(code, description.lower()):
        return Throttled(detail, retry_after=answer.retry_after)
    if code in {NO_ACCOUNT, FAILED}:
        return Unavailable(detail)
    if code != INVALID:
        # In none of the proxies: what it did with the order, nobody knows.
        return OutcomeUnknown(detail)
    if _has(description.lower(), MONEY_WORDS):
        return Misconfigured(detail)
    return Rejected(description or "The provider refused the request.")


def _is_throttled(code: int, words: str) -> bool:
    queue_is_full = code == FAILED and _has(words, QUEUE_WORDS)
    too_many_at_once = code == INVALID and _has(words, CONCURRENCY_WORDS)
    return code in {QUEUE_FULL, RELAY_LIMIT} or queue_is_full or too_many_at_once


def _error(answer: Answer) -> ProviderError:
    """Of an answer without a code; a proxy itself sends none but 401 and 403, with or without words."""
    detail = f"{answer.status} without a code"
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return OutcomeUnknown(detail)
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return Throttled(detail, retry_after=answer.retry_after)
    if answer.status in CALLERS:
        return Rejected("The provider refused the request.")
    return Unavailable(detail) if _passes(answer.status) else Misconfigured(detail)


def _passes(status: int) -> bool:
    return (
        status in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT} or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    )


def _id(result: object) -> str:
    """Ids are digits; some relays have made numbers of them, others put their own prefix before."""
    text = legible(result) if isinstance(result, str | int) else ""
    if not re.fullmatch(r"[\w.-]{1,100}", text, re.ASCII):
        raise OutcomeUnknown("accepted, but without a task")
    return text


def _told(answer: Answer) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None


def _upscales(buttons: list[Any]) -> dict[int, str]:
    ids = [_text(button.get("customId")) for button in buttons if isinstance(button, dict)]
    return {int(match[1]): match.string for text in ids if text and (match := UPSCALE.match(text))}


def _url(entry: object) -> str | None:
    return _text(entry.get("url") if isinstance(entry, dict) else entry)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _has(text: str, words: tuple[str, ...]) -> bool:
    return any(word in text for word in words)
