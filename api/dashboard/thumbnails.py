"""/ops/thumbnails: small pictures for tables and the gallery, made once and kept a while in memory."""

from collections import OrderedDict
from datetime import timedelta
from io import BytesIO
from threading import BoundedSemaphore, Lock
from typing import NamedTuple

import gevent
from flask import Response
from PIL import Image as Pillow
from werkzeug.exceptions import NotFound

from api.dashboard.glass import Glass
from api.dashboard.visits import Visit
from core import images
from core.storage import Storage

SIZES = {"small": 68, "large": 360}
MOST_KEPT_BYTES = 24 * 1024 * 1024
QUALITY = 72
# Of a process: each holds a whole picture in memory, and a thread that passwords and host names need as well.
AT_ONCE = 4
# By browsers.
MOST_CACHED_SECONDS = 600


class Kept(NamedTuple):
    name: str
    size: str


class Thumbnails:
    """Least lately shown go first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Kept, bytes] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()
        self._making = Glass(seconds=0)  # whoever asks for one that is being made gets that
        self._room = BoundedSemaphore(AT_ONCE)

    def show(self, visit: Visit, name: str) -> Response:
        """A JPEG of a picture whose hour is not over. Looking at it is not fetching it."""
        if not visit.sees_prompts:
            raise NotFound("Pictures are not shown to viewers here.")
        which = Kept(name, visit.query.get("size", "small"))
        if which.size not in SIZES:
            raise NotFound("There is no such size.")
        key, left = _find(visit, name)
        storage = visit.services.storage
        small = self._find(which) or self._making.look(which, lambda: self._make(storage, key, which))
        response = Response(small, mimetype="image/jpeg")
        response.headers["Cache-Control"] = (
            f"private, max-age={min(MOST_CACHED_SECONDS, int(left.total_seconds()))}"
        )
        return response

    def _make(self, storage: Storage, key: str, which: Kept) -> bytes:
        with self._room:
            png = storage.read(key)
            # Decoding takes tens of milliseconds of the processor: not from those who wait for pictures.
            small: bytes = gevent.get_hub().threadpool.apply(_shrink, (png, SIZES[which.size]))
        self._keep(which, small)
        return small

    def _find(self, which: Kept) -> bytes | None:
        with self._lock:
            if which in self._kept:
                self._kept.move_to_end(which)
            return self._kept.get(which)

    def _keep(self, which: Kept, small: bytes) -> None:
        with self._lock:
            self._bytes += len(small) - len(self._kept.pop(which, b""))
            self._kept[which] = small
            while self._bytes > MOST_KEPT_BYTES:
                self._bytes -= len(self._kept.popitem(last=False)[1])


def _find(visit: Visit, name: str) -> tuple[str, timedelta]:
    """Where it is in the store, and how long its hour still lasts."""
    with visit.services.database.single() as session:
        found = images.find(session, name)
    if found is None or found[1] <= timedelta(0):
        raise NotFound("There is no such picture any more.")
    image, left = found
    return image.object_key, left


def _shrink(png: bytes, size: int) -> bytes:
    small = BytesIO()
    with Pillow.open(BytesIO(png), formats=["PNG"]) as picture:
        picture.thumbnail((size, size))
        picture.convert("RGB").save(small, "JPEG", quality=QUALITY)
    return small.getvalue()
