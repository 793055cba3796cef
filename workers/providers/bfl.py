"""Black Forest Labs' FLUX API: a task is submitted, polled at the address its answer names, and downloaded.

Wire facts: BFL's OpenAPI document and recorded answers; see docs/providers/bfl.md.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from workers.providers import allowances
from workers.providers.base import Accepted, Delivered, Order, Pending, Provider, RawPicture
from workers.providers.bfl_orders import body
from workers.providers.downloads import Downloads
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
from workers.providers.http import Answer, Client, Limits, legible

DOMAIN = "bfl.ai"
SAMPLE_HOSTS = (f".{DOMAIN}", "bfldeliveryprod*.blob.core.windows.net")
LONGEST_PROMPT = 32_000
MODERATED = {"Request Moderated", "Content Moderated"}
NOT_FOUND = "Task not found"
# Tasks are kept by region, and a young one is not everywhere yet: ComfyUI's figures.
MOST_NOT_FOUND = 5
NOT_FOUND_SECONDS = 2.0
# A slot is free again when any of our tasks ends; how soon that is nobody says.
A_SLOT_SECONDS = 2.0
GOING_ON = {HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.TOO_MANY_REQUESTS}
CALLERS = {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY}


class BlackForestLabs(Provider):
    def __init__(self, base_url: str, key: str, *, connections: int, limits: Limits) -> None:
        """`base_url` is the host's root. Its answers may send us to other hosts of its domain, with our key."""
        self._key = {"x-key": key}
        self._client = Client(base_url, self._key, connections=connections, limits=limits)
        self._downloads = downloads(base_url, connections=connections, limits=limits)

    def submit(self, order: Order) -> Accepted:
        answer = self._client.post(f"/v1/{order.upstream_model}", body(order))
        told = _told(answer)
        if _status(told) in MODERATED:
            raise Moderated(_status(told))
        if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            raise _error(answer)
        polling_url = told.get("polling_url")
        if not isinstance(polling_url, str):
            raise OutcomeUnknown("a task without an address to poll it at")
        if not self._downloads.trusts(polling_url):
            raise Misconfigured("a task is to be polled at a host that is not the provider's")
        return Accepted({"id": legible(told.get("id")), "polling_url": polling_url})

    def poll(self, order: Order, handle: Mapping[str, Any]) -> Delivered | Pending:
        """Raises TaskFailed where only a new submit can help, OutcomeUnknown where that could be charged again."""
        # A picture's address lives for ten minutes; where that is over, another poll signs it anew.
        for _ in range(2):
            answer = self._downloads.fetch(handle["polling_url"], headers=self._key)
            self.told = allowances.read(answer.headers) or self.told
            if _status(_told(answer)) != "Ready":
                return _pending(answer, handle)
            sample = self._sample(answer)
            if sample.status == HTTPStatus.OK:
                return Delivered([RawPicture(sample.body, _revised(answer, order))])
            if sample.status != HTTPStatus.FORBIDDEN:
                raise Unavailable(f"{sample.status} for the picture's address")
        raise OutcomeUnknown("the picture was made, but its address is refused even when signed anew")

    def _sample(self, ready: Answer) -> Answer:
        result = _told(ready).get("result")
        url = result.get("sample") if isinstance(result, dict) else None
        if not isinstance(url, str):
            raise OutcomeUnknown("a task is ready, but names no picture")
        return self._downloads.fetch(url)


def downloads(base_url: str, *, connections: int, limits: Limits) -> Downloads:
    """Where tasks are polled and pictures lie. Only who asks BFL itself trusts the other hosts of its domain."""
    is_bfl = f".{urlsplit(base_url).hostname}".endswith(f".{DOMAIN}")
    siblings = [f".{DOMAIN}"] if is_bfl else []
    return Downloads(base_url, trusted=siblings, hosts=SAMPLE_HOSTS, connections=connections, limits=limits)


def _pending(answer: Answer, handle: Mapping[str, Any]) -> Pending:
    """What a poll without a picture means: the body first, since a failed task may come as a 422 or 503."""
    told = _told(answer)
    status = _status(told)
    if status in MODERATED:
        raise Moderated(f"{status}: {legible(told.get('details'))}")
    if status == "Error":
        raise TaskFailed(f"the task failed: {legible(told.get('details'))}")
    if status == NOT_FOUND or answer.status == HTTPStatus.NOT_FOUND:
        return _not_found(answer, handle)
    if answer.status in GOING_ON:
        return Pending(answer.retry_after)
    # Also a 403, which was seen on tasks that were charged: it must not lead to another one.
    raise Unavailable(f"{answer.status} for a poll: {_fault(told)}")


def _not_found(answer: Answer, handle: Mapping[str, Any]) -> Pending:
    times = handle.get("not_found", 0) + 1
    if times > MOST_NOT_FOUND:
        raise OutcomeUnknown("a task that was accepted is not found any more")
    return Pending(max(NOT_FOUND_SECONDS, answer.retry_after or 0.0), {**handle, "not_found": times})


def _revised(answer: Answer, order: Order) -> str | None:
    prompt = _told(answer)["result"].get("prompt") or order.prompt
    return None if prompt == order.prompt else legible(prompt, most=LONGEST_PROMPT)


def _error(answer: Answer) -> ProviderError:
    fault = _fault(_told(answer))
    detail = f"{answer.status} {fault}"
    if answer.status in CALLERS and "api key" not in fault.lower():
        return Rejected(fault or "The provider refused the request.")
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return Throttled(detail, retry_after=A_SLOT_SECONDS if answer.retry_after is None else answer.retry_after)
    if answer.status == HTTPStatus.REQUEST_TIMEOUT or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Unavailable(detail)
    # The key, the credits, the model's name, the address: a redirect, too, means that the address is wrong.
    return Misconfigured(detail)


def _fault(told: Mapping[str, Any]) -> str:
    """The provider's words. Of a list of faults, where and what: their `input` would repeat the prompt."""
    for name in ("detail", "message", "error"):
        match told.get(name):
            case str() as words:
                return legible(words)
            case list() as faults:
                return legible("; ".join(_one_fault(fault) for fault in faults))
    return ""


def _one_fault(fault: object) -> str:
    match fault:
        case {"loc": list() as place, "msg": str() as words}:
            return ": ".join([*map(str, place[1:]), words])
        case _:
            return "unreadable"


def _status(told: Mapping[str, Any]) -> str:
    """The task's status; an unknown one is one more that goes on."""
    status = told.get("status")
    return legible(status) if isinstance(status, str) else ""


def _told(answer: Answer) -> dict[str, Any]:
    """The answer's body, empty where that is no JSON object."""
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
