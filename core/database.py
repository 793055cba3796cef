"""The door to Postgres: one engine a process, and the only place that commits."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import psycopg
import structlog
from gevent import monkey
from gevent.socket import wait_read, wait_readwrite
from psycopg.abc import PQGen
from psycopg.errors import IdleInTransactionSessionTimeout
from psycopg.pq import ExecStatus
from psycopg.rows import namedtuple_row
from psycopg.waiting import Ready, Wait
from sqlalchemy import (
    ExceptionContext,
    PoolProxiedConnection,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.exc import DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker

from core.statements import Fixed, Step

# A process waits this long for a server that does not answer at all.
CONNECT_SECONDS = 5
INSIST_SECONDS = 0.5
# A process that falls silent in the middle of a transaction (frozen, or its machine gone) gives back what it has
# locked: whoever rescues its jobs would wait for it.
SILENT_SECONDS = 30

# What Postgres being away, or every connection being in use for too long, looks like.
UNAVAILABLE = (OperationalError, InterfaceError, PoolTimeout)

T = TypeVar("T")

log = structlog.get_logger()


BEGIN, COMMIT = Step(Fixed(b"BEGIN", ()), {}), Step(Fixed(b"COMMIT", ()), {})


class Database:
    """Connections of one process. A transaction borrows one, and gives it back at its end."""

    def __init__(self, url: str, *, connections: int = 20) -> None:
        self.engine = create_engine(
            url,
            pool_size=connections,
            max_overflow=0,
            isolation_level="AUTOCOMMIT",
            connect_args={
                "connect_timeout": CONNECT_SECONDS,
                "application_name": "darkroom",
                "options": f"-c idle_in_transaction_session_timeout={SILENT_SECONDS}s",
            },
        )
        event.listen(self.engine, "checkout", _refuse_dead_connection)
        event.listen(self.engine, "handle_error", _cut_off)
        if monkey.is_module_patched("socket"):
            event.listen(self.engine, "do_connect", _connect_green)
        self._singles = sessionmaker(self.engine, expire_on_commit=False)
        self._sessions = sessionmaker(
            self.engine.execution_options(isolation_level="READ COMMITTED"), expire_on_commit=False
        )

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Commit at the end of the block, roll back when it raises."""
        with self._sessions.begin() as session:
            yield session

    @contextmanager
    def reading(self, *, seconds: float) -> Iterator[Session]:
        """For people who wait: a transaction none of whose statements takes longer than that."""
        with self.transaction() as session:
            session.execute(select(func.set_config("statement_timeout", f"{round(seconds * 1000)}ms", True)))
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

        def attempt() -> T:
            with self.transaction() as session:
                return work(session)

        return _insist(attempt, seconds)

    def insist_on(self, *transactions: Sequence[Step], seconds: float) -> list[list[Any]]:
        """Run transactions as `Line.run` does, again as `insist` does."""

        def attempt() -> list[list[Any]]:
            with self.line() as line:
                return line.run(*transactions)

        return _insist(attempt, seconds)

    @contextmanager
    def line(self) -> Iterator["Line"]:
        """Borrow a connection for fixed statements alone. Raises while nothing is at stake."""
        with _translated():
            pooled = self.engine.raw_connection()
        try:
            yield Line(_driver(pooled))
        finally:
            pooled.close()

    def close(self) -> None:
        self.engine.dispose()


def _insist(attempt: Callable[[], T], seconds: float) -> T:
    deadline = time.monotonic() + seconds
    while True:
        try:
            return attempt()
        except UNAVAILABLE as error:
            if time.monotonic() > deadline:
                raise
            log.warning("database.unavailable", error=str(error).partition("\n")[0])
            time.sleep(INSIST_SECONDS)


class Line:
    """A connection that takes whole transactions in fixed steps."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    @property
    def backend(self) -> int:
        """The process of Postgres at its other end."""
        return self._connection.info.backend_pid

    def run(self, *transactions: Sequence[Step]) -> list[list[Any]]:
        """Run transactions in one round trip; returns the rows, by name, of each step that can have any.

        Nothing after a step that failed is done. For what others wait for, too: they must not wait for this
        process between two steps.
        """
        *earlier, last = transactions
        steps = [step for each in earlier for step in (BEGIN, *each, COMMIT)]
        with _translated(last[-1]):
            with self._connection.pipeline():  # whose end makes the last steps a transaction
                cursors = [_execute(self._connection, step) for step in (*steps, *last)]
            return [cursor.fetchall() for cursor in cursors if _has_rows(cursor)]


def run(session: Session, step: Step) -> list[Any]:
    """Run a fixed statement as part of a session's transaction; returns its rows, by name."""
    connection = _driver(session.connection().connection)
    with _translated(step):
        cursor = _execute(connection, step)
        return cursor.fetchall() if _has_rows(cursor) else []


def copy(session: Session, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Stream rows into a table as part of a session's transaction. Raises psycopg's IntegrityError."""
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
    connection = _driver(session.connection().connection)
    with (
        _translated(Step(Fixed(statement.encode(), ()), {})),
        connection.cursor().copy(statement.encode()) as target,
    ):
        for row in rows:
            target.write_row(row)


def _execute(connection: psycopg.Connection[Any], step: Step) -> psycopg.Cursor[Any]:
    statement, values = step
    cursor = psycopg.RawCursor(connection, row_factory=namedtuple_row)
    return cursor.execute(statement.text, [values[name] for name in statement.names])


def _has_rows(cursor: psycopg.Cursor[Any]) -> bool:
    return cursor.pgresult is not None and cursor.pgresult.status == ExecStatus.TUPLES_OK


def _driver(pooled: PoolProxiedConnection) -> psycopg.Connection[Any]:
    return cast("psycopg.Connection[Any]", pooled.driver_connection)


@contextmanager
def _translated(step: Step | None = None) -> Iterator[None]:
    """What SQLAlchemy would raise for a Postgres that is away; anything else is a bug, and stays loud."""
    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError, IdleInTransactionSessionTimeout) as error:
        raise OperationalError(step and step.statement.text.decode(), {}, error) from error


def _cut_off(context: ExceptionContext) -> OperationalError | None:
    """A transaction that was silent for too long has lost its server; psycopg counts that among our bugs."""
    error = context.original_exception
    if not isinstance(error, IdleInTransactionSessionTimeout):
        return None
    return OperationalError(context.statement, context.parameters, error)


def _refuse_dead_connection(connection: psycopg.Connection[Any], *_: object) -> None:
    """After a restart of Postgres, have the pool replace what the old server left behind.

    An idle connection is silent unless its server has closed it: looking costs no round trip, as a ping would.
    """
    try:
        connection.pgconn.consume_input()  # the server's goodbye, if it said one
        connection.pgconn.consume_input()
    except psycopg.OperationalError as error:
        raise DisconnectionError from error


class _GreenConnection(psycopg.Connection[Any]):
    """Waits as gevent does. psycopg waits by poll(), whose imitation by gevent costs more than most queries."""

    def wait(self, gen: PQGen[T], interval: float = 0.0, timeout: float | None = None) -> T:
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            wanted = next(gen)
            if wanted == Wait.RW:  # a socket nearly always takes what there is to send
                wanted = gen.send(Ready.RW)
            while True:
                (wait_read if wanted == Wait.R else wait_readwrite)(self.pgconn.socket)
                wanted = gen.send(Ready.RW)
        except StopIteration as end:
            result: T = end.value
            return result


def _connect_green(_dialect: object, _record: object, arguments: list[Any], options: dict[str, Any]) -> Any:
    return _GreenConnection.connect(*arguments, **options)
