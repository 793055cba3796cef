"""Who the process is that asks: as the fleet knows it, and how it says that it is there."""

import os
import resource
import secrets
import socket
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import structlog

from core import fleet
from core.database import UNAVAILABLE, Database
from core.fleet import Load, Process
from core.states import Part

log = structlog.get_logger()


def this(part: Part, *, provider: str | None = None, concurrency: int = 1) -> Process:
    """With a new name each time: to be asked once."""
    host, pid = socket.gethostname(), os.getpid()
    return Process(
        name=f"{provider or part}@{host}:{pid}:{secrets.token_hex(4)}",
        part=part,
        provider=provider,
        celery_name=f"{provider}-{pid}@{host}" if provider else None,
        host=host,
        pid=pid,
        version=version("darkroom"),
        concurrency=concurrency,
    )


class Presence:
    """Of a process that has no jobs of its own. While Postgres is away nobody hears of it."""

    def __init__(self, database: Database, part: Part, *, concurrency: int = 1) -> None:
        self._database = database
        self._process = this(part, concurrency=concurrency)

    def beat(self) -> None:
        """Say that it is there: every BEAT_SECONDS."""
        self._say(stopping=False)

    def end(self) -> None:
        """Say that it will not be any more: that is no loss."""
        self._say(stopping=True)

    def _say(self, *, stopping: bool) -> None:
        try:
            with self._database.transaction() as session:
                fleet.beat(session, self._process, Load(rss=resident_bytes(), stopping=stopping))
        except UNAVAILABLE as error:
            log.warning("heartbeat.missed", error=str(error).partition("\n")[0])


def resident_bytes() -> int:
    """Its memory; the most that it ever had where the system tells no more."""
    with suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
