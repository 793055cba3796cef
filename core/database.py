"""The door to Postgres: one engine a process, and the only place that commits."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from select import POLLIN, poll
from typing import Any, TypeVar

import psycopg
import structlog
from sqlalchemy import Executable, create_engine, event
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker

# A process waits this long for a server that does not answer at all.
CONNECT_SECONDS = 5
INSIST_SECONDS = 0.5

# What Postgres being away, or every connection being in use for too long, looks like.
UNAVAILABLE = (OperationalError, InterfaceError, PoolTimeout)

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
        self._singles = sessionmaker(
            self.engine.execution_options(isolation_level="AUTOCOMMIT"), expire_on_commit=False
        )

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Commit at the end of the block, roll back when it raises."""
        with self._sessions.begin() as session:
            yield session

    @contextmanager
    def single(self) -> Iterator[Session]:
        """For statements that stand alone: each is its own transaction, without a BEGIN and a COMMIT around it."""
        with self._singles() as session:
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
            except UNAVAILABLE as error:
                if time.monotonic() > deadline:
                    raise
                log.warning("database.unavailable", error=str(error).partition("\n")[0])
                time.sleep(INSIST_SECONDS)

    def run_at_once(self, statements: Sequence[str]) -> list[tuple[Any, ...]]:
        """Run statements as one transaction in a single round trip; returns the rows of the last.

        For transactions that hold what others wait for: they must not wait for this process between two steps.
        """
        pooled = self.engine.raw_connection()
        try:
            connection: psycopg.Connection[Any] = pooled.driver_connection  # type: ignore[assignment] # it is psycopg's
            with connection.pipeline():
                for statement in statements:
                    cursor = connection.execute(statement)
                connection.execute("COMMIT")
            return cursor.fetchall()
        except psycopg.Error as error:
            raise OperationalError(statements[-1], {}, error) from error
        finally:
            pooled.close()

    def close(self) -> None:
        self.engine.dispose()


def spelled_out(statement: Executable, parameters: dict[str, Any]) -> str:
    """A statement with its values written out, as `run_at_once` takes it."""
    compiled = statement.params(parameters).compile(  # type: ignore[attr-defined] # of every clause element
        dialect=PGDialect_psycopg(),  # type: ignore[no-untyped-call] # SQLAlchemy leaves it bare
        compile_kwargs={"literal_binds": True},
    )
    return str(compiled)


def _refuse_dead_connection(connection: psycopg.Connection[Any], *_: object) -> None:
    """After a restart of Postgres, have the pool replace what the old server left behind.

    An idle connection is silent unless its server has closed it: looking costs no round trip, as a ping would.
    """
    line = poll()
    line.register(connection.fileno(), POLLIN)
    if line.poll(0):
        raise DisconnectionError
