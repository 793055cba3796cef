"""Midjourney, which has no API of its own, through a midjourney-proxy: novicezk's, trueai's, or a relay of these.

Wire facts: both proxies' sources and documents; see docs/providers/midjourney.md.
"""

from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Literal

from workers.providers.base import Accepted, Delivered, Order, Pending, Provider, RawPicture
from workers.providers.downloads import Downloads
from workers.providers.errors import (
    Misconfigured,
    Moderated,
    OutcomeUnknown,
    ProviderError,
    Rejected,
    Throttled,
    Unavailable,
)
from workers.providers.http import Client
from workers.providers.midjourney_answers import Task, accepted, failure, found
from workers.providers.midjourney_grid import quadrants
from workers.providers.midjourney_prompt import prompt

GRID = 4
IMAGE_HOSTS = ("cdn.discordapp.com", "media.discordapp.net", "cdn.midjourney.com")
# A proxy whose store is its memory forgets its tasks when it restarts; a moment of doubt is granted.
MOST_MISSES = 5
ENDED = {"SUCCESS", "FAILURE", "CANCEL"}

Split = Literal["crop", "upscale"]


class Midjourney(Provider):
    """`client` speaks to the address before `/mj`, with the secret in its headers.

    A handle is `task`, and, as they come: `misses`, how often something was not found; `confirmed`, the ids of
    tasks whose modal was answered; `upscales`, a task's id for each picture, null for one that is cut out instead.
    """

    pictures_per_call = GRID

    def __init__(self, client: Client, downloads: Downloads, *, split: Split) -> None:
        """`split` makes four pictures out of a grid: `crop` costs nothing, `upscale` is a task for each."""
        self._client = client
        self._downloads = downloads
        self._split = split

    def submit(self, order: Order) -> Accepted:
        answer = self._client.post("/mj/submit/imagine", {"prompt": prompt(order)})
        return Accepted({"task": accepted(answer)})

    def poll(self, order: Order, handle: Mapping[str, Any]) -> Delivered | Pending:
        task = self._task(handle["task"])
        if task is None:
            return _missed(handle, "the task")
        match task.status:
            case "SUCCESS":
                return self._pictures(order, handle, task)
            case "FAILURE" | "CANCEL":
                raise failure(task)
            case _:
                return self._unfinished(order, handle, task)

    def _task(self, task_id: str) -> Task | None:
        return found(task_id, self._client.get(f"/mj/task/{task_id}/fetch"))

    def _unfinished(self, order: Order, handle: Mapping[str, Any], task: Task) -> Pending:
        """Answer a modal once: a task that still shows it was told already, and may start at any moment."""
        confirmed = handle.get("confirmed", [])
        if task.status != "MODAL" or task.id in confirmed:
            return Pending()
        with suppress(OutcomeUnknown):  # it may have been heard
            accepted(self._client.post("/mj/submit/modal", {"taskId": task.id, "prompt": prompt(order)}))
        return Pending(handle={**handle, "confirmed": [*confirmed, task.id]})

    def _pictures(self, order: Order, handle: Mapping[str, Any], task: Task) -> Delivered | Pending:
        singles: list[str | None] = [None] * order.n
        if len(task.image_urls) >= GRID:
            singles = [*task.image_urls[: order.n]]
        elif self._split == "upscale":
            upscaled = self._upscaled(order, handle, task)
            if isinstance(upscaled, Pending):
                return upscaled
            singles = upscaled
        try:
            cells = self._cut(task, order.n) if None in singles else []
            pictures = [self._download(url) if url else cells[cell] for cell, url in enumerate(singles)]
        except _Missing as missing:
            return _missed(handle, str(missing))
        return Delivered([RawPicture(picture, prompt(order)) for picture in pictures])

    def _upscaled(self, order: Order, handle: Mapping[str, Any], task: Task) -> list[str | None] | Pending:
        """The addresses of larger pictures, None for each that is not to be had."""
        upscales = handle.get("upscales", [])
        if len(upscales) < order.n:
            # An upscale may cost money, so: one a poll, and its id goes on record, by way of the handle, before
            # anything else is asked. Whoever dies between the call and the record repeats that one, unknowingly.
            return Pending(handle={**handle, "upscales": [*upscales, self._upscale(task, len(upscales) + 1)]})
        urls: list[str | None] = []
        for child_id in upscales[: order.n]:
            child = self._task(child_id) if child_id else None
            if child and child.status not in ENDED:
                with suppress(Rejected, Moderated, Misconfigured):  # its modal was refused: no picture of its own
                    return self._unfinished(order, handle, child)
            urls.append(child.image_url if child and child.status == "SUCCESS" else None)
        return urls

    def _upscale(self, task: Task, cell: int) -> str | None:
        """The task that makes a cell larger. None where none is to be had: the cell is there already, if smaller.

        Raises Throttled alone.
        """
        if task.upscales is None:
            path, body = "change", {"taskId": task.id, "action": "UPSCALE", "index": cell}
        elif cell in task.upscales:
            path, body = "action", {"taskId": task.id, "customId": task.upscales[cell]}
        else:
            return None
        try:
            return accepted(self._client.post(f"/mj/submit/{path}", body))
        except Throttled:
            raise
        except ProviderError:
            return None

    def _cut(self, task: Task, n: int) -> list[bytes]:
        if task.image_url is None:
            raise _Missing("the picture's address")
        return quadrants(self._download(task.image_url), n)

    def _download(self, url: str) -> bytes:
        answer = self._downloads.fetch(url)
        if answer.status == HTTPStatus.OK:
            return answer.body
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise Unavailable(f"{answer.status} for a picture")
        raise _Missing("the picture")


class _Missing(Exception):
    """What should be there is not, or not yet."""


def _missed(handle: Mapping[str, Any], what: str) -> Pending:
    misses = handle.get("misses", 0) + 1
    if misses > MOST_MISSES:
        raise OutcomeUnknown(f"{what} is gone")
    return Pending(handle={**handle, "misses": misses})
