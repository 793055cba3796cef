"""Every move of a batch on its way from a file that is to be read to files of results."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    TIMESTAMP,
    ColumnElement,
    Numeric,
    Text,
    Uuid,
    case,
    cast,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session

from core import money, outbox
from core.batches.orders import change
from core.database import Database, run
from core.orm import Batch, File, Job
from core.statements import Given, Step, fixed
from core.states import BatchStatus, JobState

# The class of our advisory locks on batches; any number but admission's.
LOCKS = 7293


def _all_settled() -> ColumnElement[bool]:
    return Batch.completed + Batch.failed + Batch.cancelled == Batch.total


def _is_unread() -> ColumnElement[bool]:
    """Not all of its lines are jobs yet."""
    return exists().where(File.id == Batch.input_file_id, Batch.read_bytes < File.bytes)


def _is_overdue() -> ColumnElement[bool]:
    """Its time is over; what has not begun by now will not."""
    return Batch.expires_at <= func.clock_timestamp()


def to_do(session: Session) -> Sequence[str]:
    """Batches with which something is to be done now, oldest first."""
    waits = Batch.status != BatchStatus.IN_PROGRESS
    return session.scalars(
        select(Batch.id)
        .where(Batch.ended_at.is_(None), or_(waits, _all_settled(), _is_overdue(), _is_unread()))
        .order_by(Batch.created_at)
    ).all()


@contextmanager
def claim(database: Database, batch_id: str) -> Iterator[bool]:
    """Whether the batch is ours for the block. One that a killed process had is free as soon as its line breaks.

    That keeps work from being done twice at once; that none counts twice is up to each move's own guard.
    """
    lock = select(func.pg_try_advisory_lock(LOCKS, func.hashtext(batch_id)))
    with database.single() as session:
        mine = bool(session.scalar(lock))
        try:
            yield mine
        finally:
            if mine:
                session.execute(select(func.pg_advisory_unlock(LOCKS, func.hashtext(batch_id))))


@dataclass(frozen=True, slots=True)
class Situation:
    """A batch as the clerk finds it."""

    batch: Batch
    unread: bool
    overdue: bool
    all_settled: bool


def situation(session: Session, batch_id: str) -> Situation:
    row = session.execute(
        select(
            Batch,
            _is_unread().label("unread"),
            _is_overdue().label("overdue"),
            _all_settled().label("all_settled"),
        ).where(Batch.id == batch_id)
    ).one()
    return Situation(row.Batch, row.unread, row.overdue, row.all_settled)


_RESERVED = money.reserving_batch().cte("reserved")
_SET_ASIDE = select(
    cast(null(), Uuid).label("id"),
    Given("batch_id", Text()).label("batch_id"),
    _RESERVED.c.key_id,
    Given("price", Numeric()).label("price"),
).cte("set_aside")
_RESERVE = fixed(select(_RESERVED.c.key_id).add_cte(money.reservation(_SET_ASIDE).cte("posted")))


def begin(session: Session, batch: Batch, *, total: int, price: Decimal) -> bool:
    """Set the price of all lines aside: they may become jobs. False where the batch was cancelled meanwhile.

    Raises CapReached.
    """
    begun = change(
        session,
        batch.id,
        Batch.status == BatchStatus.VALIDATING,
        status=BatchStatus.IN_PROGRESS,
        in_progress_at=func.clock_timestamp(),
        total=total,
        price=price,
    )
    if begun:
        _set_aside(session, batch, price)
    return begun


def _set_aside(session: Session, batch: Batch, price: Decimal) -> None:
    given = {"batch_id": batch.id, "key_id": batch.key_id, "price": price}
    while not run(session, Step(_RESERVE, given)):
        if reason := money.cap_reached(session, batch.key_id, price):
            raise reason


def reprice(session: Session, batch: Batch, *, unread: Decimal) -> bool:
    """Have as much set aside as its lines cost by now, with `unread` for those that are no jobs yet.

    False where somebody else has read on, or ended the batch. Raises CapReached.
    """
    _, made = _made(session, batch)
    dearer = made + unread - batch.price
    if not dearer:
        return True
    repriced = change(session, batch.id, *_as_found(batch), price=made + unread)
    if repriced and dearer > 0:
        _set_aside(session, batch, dearer)
    elif repriced:
        _give_back(session, batch, -dearer)
    return repriced


def _made(session: Session, batch: Batch) -> tuple[int, Decimal]:
    """How many of its lines are jobs, and the price of those."""
    jobs = select(func.count(), func.coalesce(func.sum(Job.price), 0)).where(Job.batch_id == batch.id)
    count, price = session.execute(jobs).one()
    return count, price


def _as_found(batch: Batch) -> tuple[ColumnElement[bool], ...]:
    """Nobody has read on since, nor ended it."""
    return Batch.read_bytes == batch.read_bytes, Batch.ended_at.is_(None)


def refuse(session: Session, batch_id: str, errors: Sequence[dict[str, Any]]) -> bool:
    """End a batch whose file cannot be accepted. False where it was cancelled meanwhile."""
    return _end(
        session, batch_id, Batch.status == BatchStatus.VALIDATING, status=BatchStatus.FAILED, errors=errors
    )


_UNMADE = select(
    cast(null(), Uuid).label("id"),
    Given("batch_id", Text()).label("batch_id"),
    Given("key_id", Uuid()).label("key_id"),
    Given("price", Numeric()).label("price"),
    cast(0, Numeric).label("charged"),
    Given("reserved_at", TIMESTAMP(timezone=True)).label("created_at"),
).cte("unmade")
_BUDGETED, _POSTED = money.settlement(_UNMADE)
_GIVE_BACK = fixed(select(_UNMADE.c.key_id).add_cte(_BUDGETED.cte("budgeted"), _POSTED.cte("posted")))


def break_off(session: Session, batch: Batch, errors: Sequence[dict[str, Any]]) -> bool:
    """Make nothing more of a file that cannot be read on: what is made of it is called off, to fail in the end.

    What was set aside for the rest is given back. False where somebody else has read on, or ended the batch.
    """
    made, price = _made(session, batch)
    broken_off = change(
        session,
        batch.id,
        *_as_found(batch),
        status=BatchStatus.CANCELLING,
        cancelling_at=func.coalesce(Batch.cancelling_at, func.clock_timestamp()),
        errors=errors,
        read_bytes=select(File.bytes).where(File.id == Batch.input_file_id).scalar_subquery(),
        total=made,
        price=price,
    )
    if broken_off:
        _give_back(session, batch, batch.price - price)
    return broken_off


def _give_back(session: Session, batch: Batch, price: Decimal) -> None:
    given = {"batch_id": batch.id, "key_id": batch.key_id, "price": price, "reserved_at": batch.in_progress_at}
    run(session, Step(_GIVE_BACK, given))


def start_finalizing(session: Session, batch_id: str) -> None:
    """All lines have ended, and their results are about to be written. One that is cancelled just stays that."""
    change(
        session,
        batch_id,
        Batch.ended_at.is_(None),
        status=case(
            (Batch.status == BatchStatus.IN_PROGRESS, literal(BatchStatus.FINALIZING.value)), else_=Batch.status
        ),
        finalizing_at=func.coalesce(Batch.finalizing_at, func.clock_timestamp()),
    )


def finish(session: Session, batch_id: str, *, output: File | None, errors: File | None) -> bool:
    """End a batch whose results are in these files. False where it has ended: nothing is changed."""
    expired = exists().where(
        Job.batch_id == Batch.id, Job.state_in(JobState.CANCELLED), Job.settled_at >= Batch.expires_at
    )
    status = case(
        (Batch.errors.is_not(None), literal(BatchStatus.FAILED.value)),
        (Batch.cancelling_at.is_not(None), literal(BatchStatus.CANCELLED.value)),
        (expired, literal(BatchStatus.EXPIRED.value)),
        else_=literal(BatchStatus.COMPLETED.value),
    )
    return _end(
        session,
        batch_id,
        _all_settled(),
        status=status,
        output_file_id=output and output.id,
        error_file_id=errors and errors.id,
    )


def _end(session: Session, batch_id: str, *where: ColumnElement[bool], **values: Any) -> bool:
    ended = (
        update(Batch)
        .where(Batch.id == batch_id, Batch.ended_at.is_(None), *where)
        .values(ended_at=func.statement_timestamp(), **values)
        .returning(*Batch.__table__.columns)
        .cte("ended")
    )
    told = outbox.owing_batch(ended).cte("owed")
    return session.execute(select(ended.c.id).add_cte(told)).one_or_none() is not None
