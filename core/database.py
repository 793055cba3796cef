"""The door to Postgres: one engine a process, and the only place that commits."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import create_engine
from sqlalchemy.orm import Session, sessionmaker

# A process waits this long for a server that does not answer at all.
CONNECT_SECONDS = 5


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

    def close(self) -> None:
        self.engine.dispose()
