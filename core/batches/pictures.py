"""The pictures of a batch: how long they are kept, and when a new hour of their addresses begins."""

from collections.abc import Collection, Iterator
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from core.database import Database
from core.images import LIFETIME
from core.orm import Batch, Image, Job

# Lines whose pictures are written in one transaction: ten thousand rows at most.
PORTION = 1000
# Of a picture that was read about a moment ago no new hour begins: that would be a write for each look.
FRESH = timedelta(minutes=1)


def keep(database: Database, batch: Batch) -> Iterator[None]:
    """Have all that a batch has made go when its results will, a portion of its lines at each step."""
    for lines in _portions(batch):
        until = func.clock_timestamp() + timedelta(seconds=batch.output_seconds)
        with database.transaction() as session:
            session.execute(update(Image).where(Image.job_id == Job.id, *lines).values(kept_until=until))
        yield


def renew_all(database: Database, key_id: UUID, file_id: str) -> None:
    """Begin a new hour for the pictures whose addresses are in this file of results."""
    with database.single() as session:
        batch = session.scalars(
            select(Batch).where(Batch.key_id == key_id, Batch.output_file_id == file_id)
        ).one_or_none()
    for lines in _portions(batch) if batch else ():
        with database.transaction() as session:
            _renew(session, Image.job_id == Job.id, *lines)


def renew(session: Session, job_ids: Collection[UUID]) -> None:
    """Begin a new hour for the pictures of these lines."""
    _renew(session, Image.job_id.in_(job_ids))


def _portions(batch: Batch) -> Iterator[tuple[ColumnElement[bool], ...]]:
    for line in range(0, batch.read_lines, PORTION):
        yield Job.batch_id == batch.id, Job.line > line, Job.line <= line + PORTION


def _renew(session: Session, *where: ColumnElement[bool]) -> None:
    hour = func.least(Image.kept_until, func.clock_timestamp() + LIFETIME)
    session.execute(
        update(Image)
        .where(*where, Image.kept_until.is_not(None), Image.swept_at.is_(None), Image.expires_at < hour - FRESH)
        .values(expires_at=hour)
        .execution_options(synchronize_session=False)
    )
