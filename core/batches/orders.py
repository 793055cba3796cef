"""What callers ask of a batch: to be made, shown, cancelled, paused, and its results read."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, cast, func, null, select, tuple_, update
from sqlalchemy.dialects.postgresql import JSONB, JSONPATH
from sqlalchemy.orm import Session, defer
from sqlalchemy.orm.attributes import set_committed_value

from core.orm import Batch
from core.states import BatchStatus

WINDOW = timedelta(hours=24)
# The class of our advisory locks on what batches are made of; any number but that of others.
TURNS = 7294
# How long after it was made a client's automatic retry finds a batch again: the official SDKs give up sooner.
REATTACH = timedelta(minutes=10)
BEFORE_ITS_END = (BatchStatus.VALIDATING, BatchStatus.IN_PROGRESS)
# Where several batches are told at once, so many faults of each are.
FIRST_FAULTS = "$[0 to 9]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Which batches are looked for: at most `limit`, made before the batch `after`."""

    limit: int
    after: str | None = None


def new_id() -> str:
    """OpenAI's own form: 32 hexadecimal digits."""
    return f"batch_{secrets.token_hex(16)}"


def create(session: Session, batch: Batch) -> Batch:
    """Put a batch that is to be validated on the ledger, with its time."""
    now = func.statement_timestamp()
    batch.created_at, batch.expires_at = now, now + WINDOW
    if batch.metadata_ is None:  # or it would be JSON's null, which is something
        batch.metadata_ = null()
    session.add(batch)
    session.flush()
    session.refresh(batch)
    return batch


def own(session: Session, key_id: UUID, batch_id: str) -> Batch | None:
    """A batch, where it is this key's."""
    return session.scalars(select(Batch).where(Batch.id == batch_id, Batch.key_id == key_id)).one_or_none()


def take_turn(session: Session, batch: Batch) -> None:
    """One at a time makes batches of a file, or of another batch: whoever looks for a twin finds it."""
    origin = f"{batch.key_id} {batch.retry_of or batch.input_file_id}"
    session.execute(select(func.pg_advisory_xact_lock(TURNS, func.hashtext(origin))))


def twin(session: Session, batch: Batch) -> Batch | None:
    """The batch that the same request made a moment ago. The file of a retry is a new one each time."""
    lately = Batch.created_at > func.clock_timestamp() - REATTACH
    origin = "retry_of" if batch.retry_of else "input_file_id"
    same = ("key_id", "endpoint", "output_seconds", origin)
    found = select(Batch).where(lately, *(getattr(Batch, name) == getattr(batch, name) for name in same))
    made = session.scalars(found.order_by(Batch.created_at.desc()))
    return next((each for each in made if each.metadata_ == batch.metadata_), None)


def page(session: Session, key_id: UUID, search: Search) -> Sequence[Batch]:
    """A key's batches, newest first; of their errors the first ten."""
    faults = func.jsonb_path_query_array(Batch.errors, cast(FIRST_FAULTS, JSONPATH), type_=JSONB)
    found = select(Batch, faults).options(defer(Batch.errors)).where(Batch.key_id == key_id)
    if search.after:
        last = select(Batch.created_at, Batch.id).where(Batch.id == search.after, Batch.key_id == key_id)
        found = found.where(tuple_(Batch.created_at, Batch.id) < last.scalar_subquery())
    rows = session.execute(found.order_by(Batch.created_at.desc(), Batch.id.desc()).limit(search.limit)).all()
    for batch, errors in rows:
        set_committed_value(batch, "errors", errors)
    return [batch for batch, _ in rows]


def start_cancelling(session: Session, batch_id: str) -> bool:
    """False where the batch has ended, or is being cancelled already."""
    return change(
        session,
        batch_id,
        Batch.status.in_(BEFORE_ITS_END),
        status=BatchStatus.CANCELLING,
        cancelling_at=func.clock_timestamp(),
    )


def set_paused(session: Session, batch_id: str, *, paused: bool) -> bool:
    """Whether lines may start; those on the ledger follow by `brake.adjust`. False where the batch has ended."""
    return change(session, batch_id, Batch.status.in_(BEFORE_ITS_END), paused=paused)


def change(session: Session, batch_id: str, *where: ColumnElement[bool], **values: object) -> bool:
    """The guarded move of one batch. False where it does not stand so."""
    changed = update(Batch).where(Batch.id == batch_id, *where).values(**values).returning(Batch.id)
    return session.execute(changed).one_or_none() is not None
