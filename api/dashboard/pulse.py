"""GET /ops/stream: tells open pages that there is something new to see, as server-sent events."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from threading import Event

from flask import Response
from sqlalchemy.exc import SQLAlchemyError

from api.dashboard.glass import Glass
from core import pulse
from core.database import Database

LOOK_SECONDS = 2.0
# Ages and lengths of time change also where nothing happens.
MOST_SILENT_SECONDS = 10.0
# Then the browser comes again by itself, and shows who it is.
LONGEST_SECONDS = 300.0
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def stream(database: Database, glass: Glass, closing: Event) -> Response:
    """An event `tick` whenever the ledger has changed, until `closing`; its data is the time."""
    beats = _beats(lambda: glass.look("pulse", lambda: _feel(database)), closing)
    return Response(beats, mimetype="text/event-stream", headers=HEADERS)


def _beats(feel: Callable[[], tuple[int, ...] | None], closing: Event) -> Iterator[str]:
    begun, told, told_at = time.monotonic(), feel(), 0.0
    yield "retry: 2000\n\n"
    while time.monotonic() - begun < LONGEST_SECONDS and not closing.is_set():
        felt = feel()
        if felt is None:
            told = None
            yield "event: blind\ndata: the database does not answer\n\n"
        elif felt != told or time.monotonic() - told_at >= MOST_SILENT_SECONDS:
            told, told_at = felt, time.monotonic()
            yield f"event: tick\ndata: {datetime.now(UTC):%H:%M:%S}\n\n"
        else:
            yield ": still here\n\n"
        closing.wait(LOOK_SECONDS)


def _feel(database: Database) -> tuple[int, ...] | None:
    try:
        with database.single() as session:
            return pulse.feel(session)
    except SQLAlchemyError:
        return None
