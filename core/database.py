"""The door to Postgres: one engine a process, and the only place that commits."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import structlog
from sqlalchemy import create_engine
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

# A process waits this long for a server that does not answer at all.
CONNECT_SECONDS = 5
INSIST_SECONDS = 0.5

T = TypeVar("T")

log = structlog.get_logger()


class Database:
    """Connections of one process. A transaction borrows one, and gives it back at its end."""

    def __init__(self, url: str, *, connections: int = 20) -> None:
        self.engine = create_engine(
            url,
            pool_size=connections,
            max_overflow=0,
            pool_pre_ping=True,  # after a restart of Postgres the first use replaces the dead connection
            connect_args={"connect_timeout": CONNECT_SECONDS, "application_name": "darkroom"},
        )
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Commit at the end of the block, roll back when it raises."""
        with self._sessions.begin() as session:
            yield session

    def insist(self, work: Callable[[Session], T], *, seconds: float) -> T:
        """Run `work` in a transaction of its own, again while Postgres is away, for so many seconds.

        A commit whose answer was lost is done twice: `work` has to be guarded against that.
        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                with self.transaction() as session:
                    return work(session)
            except (OperationalError, InterfaceError) as error:
                if time.monotonic() > deadline:
                    raise
                log.warning("database.unavailable", error=str(error).partition("\n")[0])
                time.sleep(INSIST_SECONDS)

    def close(self) -> None:
        self.engine.dispose()
