"""Callers' files: what a batch is to be made of, and what came of one. Rows on the ledger, bytes in the store."""

import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Interval, exists, func, literal, or_, select, tuple_, update
from sqlalchemy.orm import Session

from core.database import Database
from core.orm import Batch, File
from core.storage import Storage

BATCH_INPUT, BATCH_OUTPUT = "batch", "batch_output"
_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Which files are looked for: at most `limit`, that come after the file `after` in this order."""

    limit: int
    after: str | None = None
    newest_first: bool = True
    purpose: str | None = None


def new_id() -> str:
    """OpenAI's own form: 22 letters and digits, 130 bits."""
    return f"file-{''.join(secrets.choice(_ALPHABET) for _ in range(22))}"


def object_key(file_id: str) -> str:
    return f"files/{file_id}"


def record(session: Session, file: File, *, lifetime: timedelta | None) -> File:
    """Put a file that is in the store on the ledger; without a lifetime it is kept until it is deleted."""
    now = func.statement_timestamp()
    file.created_at = now
    file.expires_at = None if lifetime is None else now + literal(lifetime, Interval())
    session.add(file)
    session.flush()
    session.refresh(file)
    return file


def _there() -> ColumnElement[bool]:
    return or_(File.expires_at.is_(None), File.expires_at > func.clock_timestamp())


def own(session: Session, key_id: UUID, file_id: str) -> File | None:
    """A file, where it is this key's and its time is not over."""
    return session.scalars(select(File).where(File.id == file_id, File.key_id == key_id, _there())).one_or_none()


def input_of(session: Session, batch: Batch) -> File | None:
    """The file that a batch is made of, where it is its key's; from when the batch is there, it is kept for it."""
    was_there = or_(File.expires_at.is_(None), File.expires_at > batch.created_at)
    found = select(File).where(File.id == batch.input_file_id, File.key_id == batch.key_id, was_there)
    return session.scalars(found).one_or_none()


def page(session: Session, key_id: UUID, search: Search) -> Sequence[File]:
    """A key's files by the time of their upload."""
    found = select(File).where(File.key_id == key_id, _there())
    if search.purpose:
        found = found.where(File.purpose == search.purpose)
    place = tuple_(File.created_at, File.id)
    if search.after:
        last = select(File.created_at, File.id).where(File.id == search.after, File.key_id == key_id)
        beyond = place.__lt__ if search.newest_first else place.__gt__
        found = found.where(beyond(last.scalar_subquery()))
    order = [column.desc() if search.newest_first else column.asc() for column in (File.created_at, File.id)]
    return session.scalars(found.order_by(*order).limit(search.limit)).all()


def delete(session: Session, key_id: UUID, file_id: str) -> bool:
    """End a file's time now. False where the key has no such file."""
    deleted = (
        update(File)
        .where(File.id == file_id, File.key_id == key_id, _there())
        .values(deleted_at=func.clock_timestamp(), expires_at=func.clock_timestamp())
        .returning(File.id)
    )
    return session.execute(deleted).one_or_none() is not None


def _still_read() -> ColumnElement[bool]:
    """What a batch has not read to its end stays in the store until it has."""
    return exists().where(Batch.input_file_id == File.id, Batch.ended_at.is_(None), Batch.read_bytes < File.bytes)


def sweep(database: Database, storage: Storage, *, most: int) -> int:
    """Take files whose time is over out of the store, oldest first; how many. Raises StoreUnavailable."""
    over = (
        select(File.id, File.object_key)
        .where(File.swept_at.is_(None), File.expires_at <= func.clock_timestamp(), ~_still_read())
        .order_by(File.expires_at)
        .limit(most)
    )
    with database.single() as session:
        found = session.execute(over).all()
    if found:
        storage.remove(row.object_key for row in found)
        swept = update(File).where(File.id.in_([row.id for row in found])).values(swept_at=func.clock_timestamp())
        with database.transaction() as session:
            session.execute(swept)
    return len(found)
