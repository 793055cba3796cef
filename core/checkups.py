"""What `darkroom doctor` reads of Postgres: the server itself, how far it is migrated, batches that are stuck."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, func, or_, select, text
from sqlalchemy.orm import Session

from core.orm import Batch
from core.states import BatchStatus

# The first with uuidv7().
OLDEST_VERSION = 18
PATIENCE = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Server:
    version: str
    major: int
    clock: datetime


def server(session: Session) -> Server:
    version, number, clock = session.execute(_SERVER).one()
    return Server(version, number // 10_000, clock)


_SERVER = text("""
SELECT current_setting('server_version'), CAST(current_setting('server_version_num') AS integer), clock_timestamp()
""")


def revision(session: Session) -> str | None:
    """How far the database is migrated; None where it never was."""
    if session.execute(text("SELECT to_regclass('alembic_version')")).scalar_one() is None:
        return None
    found: str | None = session.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return found


def stuck_batches(session: Session) -> Sequence[str]:
    """Batches that the clerk should have begun to read, or should have ended, long ago."""
    long_ago = func.now() - PATIENCE
    unread = and_(Batch.status == BatchStatus.VALIDATING, Batch.read_bytes == 0, Batch.created_at < long_ago)
    stuck = or_(unread, Batch.finalizing_at < long_ago, Batch.expires_at < long_ago)
    return session.scalars(
        select(Batch.id).where(Batch.ended_at.is_(None), stuck).order_by(Batch.created_at)
    ).all()
