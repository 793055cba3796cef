"""The door to Postgres: one engine a process, and the only place that commits."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from select import POLLIN, poll
from typing import Any, TypeVar

import psycopg
import structlog
from sqlalchemy import create_engine, event
from sqlalchemy.exc import DisconnectionError, InterfaceError, OperationalError
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
            connect_args={"connect_timeout": CONNECT_SECONDS, "application_name": "darkroom"},
        )
        event.listen(self.engine, "checkout", _refuse_dead_connection)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)
        self._readers = sessionmaker(
            self.engine.execution_options(isolation_level="AUTOCOMMIT"), expire_on_commit=False
        )

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Commit at the end of the block, roll back when it raises."""
        with self._sessions.begin() as session:
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """For a single query that changes nothing: no BEGIN, no COMMIT."""
        with self._readers() as session:
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


def _refuse_dead_connection(connection: psycopg.Connection[Any], *_: object) -> None:
    """After a restart of Postgres, have the pool replace what the old server left behind.

    An idle connection is silent unless its server has closed it: looking costs no round trip, as a ping would.
    """
    line = poll()
    line.register(connection.fileno(), POLLIN)
    if line.poll(0):
        raise DisconnectionError
