"""Serves a midjourney-proxy's pictures as Discord's CDN does: signed, for a day; grids, single ones, previews."""

import hmac
import io
import re
import secrets
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from flask import Response, request
from gevent import get_hub
from PIL import Image

from sandbox.simulators.control import Control
from sandbox.simulators.faults import TRUNCATED, WRONG_SIZE
from sandbox.simulators.midjourney_tasks import CHANNEL, Task
from sandbox.simulators.pictures import Picture, draw

LIFETIME = 24 * 3600
PREVIEW = 8  # how many times smaller
ENLARGED = 2  # how many times larger an upscale is than its place in the grid
MOST_DRAWINGS = 100_000


@dataclass(frozen=True)
class Drawing:
    """Pictures of a prompt, by index, in one file: four make a grid. Drawn anew for each download."""

    words: str
    indices: tuple[int, ...]
    width: int
    height: int
    truncated: bool


class Cdn:
    def __init__(self, control: Control) -> None:
        self._control = control
        self._secret = secrets.token_bytes(32)
        self._drawings: dict[str, Drawing] = {}

    def urls(self, task: Task, base: str, *, done: bool, partner: bool) -> dict[str, Any]:
        """What a task shows of its pictures, below the host's root; of one that is done the same each time."""
        if not done:
            return {
                "imageUrl": base + self._signed(f"{task.job}_grid_0.png", _drawing(task, PREVIEW), task.starts)
            }
        address = base + self._signed(f"{_slug(task)}_{task.job}.png", _drawing(task, 1), task.ends)
        singles = (
            self._singles(task, base) if partner and task.is_grid else [{"url": address, "thumbnail": address}]
        )
        return {"imageUrl": address, "imageUrls": singles, "thumbnailUrl": address}

    def download(self, name: str, **_: Any) -> Response:
        drawing = self._drawings.get(name)
        given = {part: request.args.get(part, "") for part in ("ex", "is", "hm")}
        expires = int(given["ex"], 16) if re.fullmatch(r"[0-9a-f]{1,12}", given["ex"]) else 0
        genuine = hmac.compare_digest(self._mark(name, given["ex"], given["is"]).encode(), given["hm"].encode())
        if drawing is None or not genuine or expires <= self._control.clock.now():
            return Response("This content is no longer available.", 404, content_type="text/plain")
        return _picture(drawing)

    def download_single(self, job: object, cell: int) -> Response:
        """One of a partner's pictures, whose addresses are not signed."""
        drawing = self._drawings.get(f"{job}/{cell}")
        return _picture(drawing) if drawing else Response(status=404)

    def _singles(self, task: Task, base: str) -> list[dict[str, str]]:
        urls = []
        for cell in range(4):
            self._keep(f"{task.job}/{cell}", _drawing(task, 1, cell))
            url = f"{base}/{task.job}/0_{cell}.png"
            urls.append({"url": url, "thumbnail": url})
        return urls

    def _signed(self, name: str, drawing: Drawing, since: float) -> str:
        self._keep(name, drawing)
        issued, expires = f"{int(since):x}", f"{int(since + LIFETIME):x}"
        query = f"ex={expires}&is={issued}&hm={self._mark(name, expires, issued)}"
        return f"/attachments/{CHANNEL}/12{int(since * 1000)}/{name}?{query}"

    def _keep(self, name: str, drawing: Drawing) -> None:
        self._drawings[name] = drawing
        while len(self._drawings) > MOST_DRAWINGS:
            del self._drawings[next(iter(self._drawings))]

    def _mark(self, name: str, expires: str, issued: str) -> str:
        return hmac.digest(self._secret, f"{name} {expires} {issued}".encode(), "sha256").hex()


def _drawing(task: Task, smaller: int, single: int | None = None) -> Drawing:
    width, height = task.prompt.cell
    shown = (task.cell - 1,) if task.action == "UPSCALE" else range(4) if single is None else (single,)
    larger = ENLARGED if task.action == "UPSCALE" else 1
    half = 2 if task.outcome == WRONG_SIZE else 1
    series = task.parent if task.action == "UPSCALE" and task.parent else task
    return Drawing(
        words=task.prompt.words,
        indices=tuple(index + _first(series) for index in shown),
        width=width * larger // half // smaller,
        height=height * larger // half // smaller,
        truncated=task.outcome == TRUNCATED,
    )


def _first(series: Task) -> int:
    """The same words imagined again, varied or rerolled, are other pictures than their first four."""
    return 4 * series.repeats if series.parent is None else int(series.id) % 1_000_000


def _slug(task: Task) -> str:
    return "_".join(re.findall(r"[a-z0-9]+", task.prompt.words.lower())[:5]) or "untitled"


def _picture(drawing: Drawing) -> Response:
    # In a thread, so that a thousand sleeping requests are not kept from waking.
    body: bytes = get_hub().threadpool.apply(_drawn, (drawing,))
    return Response(body[: len(body) // 2] if drawing.truncated else body, content_type="image/png")


@lru_cache(maxsize=8)
def _drawn(drawing: Drawing) -> bytes:
    cells = [draw(Picture(drawing.words, index, drawing.width, drawing.height)) for index in drawing.indices]
    if len(cells) == 1:
        return cells[0]
    grid = Image.new("RGB", (drawing.width * 2, drawing.height * 2))
    for number, cell in enumerate(cells):
        row, column = divmod(number, 2)
        grid.paste(Image.open(io.BytesIO(cell)), (column * drawing.width, row * drawing.height))
    body = io.BytesIO()
    grid.save(body, "PNG", compress_level=1)
    return body.getvalue()
