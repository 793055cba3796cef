"""A batch's brake: its lines are held back, let go or called off, as the batch stands."""

from typing import Any

from sqlalchemy import ARRAY, Boolean, Integer, Text, Uuid, any_, delete, func, or_, select, update
from sqlalchemy.orm import Session

from core.database import Database, run
from core.ledger import move
from core.orm import Batch, HeldPicture, Job
from core.statements import Given, Step, fixed
from core.states import LIVE, BatchStatus, Event, JobState

# How many rows a transaction that others may have to wait for changes.
HELD_AT_ONCE = 2000
CALLED_OFF_AT_ONCE = 500

# Whether lines of a batch are to wait: until it is resumed, or for what will call them off.
IS_ON = or_(Batch.paused, Batch.status == BatchStatus.CANCELLING, Batch.expires_at <= func.clock_timestamp())

_BATCH, _AFTER, _JOBS = Given("batch_id", Text()), Given("after", Integer()), Given("job_ids", ARRAY(Uuid))
_NEXT = fixed(
    select(Job.id, Job.line, Job.held, Job.provider)
    # Also what is under way: it may be queued again.
    .where(Job.batch_id == _BATCH, Job.line > _AFTER, Job.state_in(*LIVE))
    .order_by(Job.line)
    .limit(HELD_AT_ONCE)
    .with_for_update(key_share=True)
)
_HOLD = fixed(update(Job).where(Job.id == any_(_JOBS)).values(held=Given("held", Boolean())))


def adjust(database: Database, batch_id: str) -> set[str]:
    """Hold a batch's lines, or let them go, as it stands by now; the providers of those that were let go.

    Each step finds out anew how it stands: of several processes at it, whoever is last brings every line there.
    """
    freed, after = set[str](), 0
    while True:
        with database.transaction() as session:
            found = run(session, Step(_NEXT, {"batch_id": batch_id, "after": after}))
            if not found:
                return freed
            held = _is_on(session, batch_id)
            moved = [row for row in found if row.held != held]
            run(session, Step(_HOLD, {"job_ids": [row.id for row in moved], "held": held}))
        freed |= {row.provider for row in moved if not held}
        after = found[-1].line


def _is_on(session: Session, batch_id: str) -> bool:
    """It stays so until the transaction ends.

    For one that has its jobs locked already: whoever settles a line locks the job first, and then the batch.
    """
    standing = select(IS_ON).where(Batch.id == batch_id).with_for_update(read=True)
    return session.execute(standing).scalar_one()


_WAITING = (JobState.QUEUED, JobState.DISPATCHED)
_CALL_OFF = fixed(
    move(
        Event.CANCELLED,
        Job.id
        == any_(
            func.array(
                select(Job.id)
                .where(Job.batch_id == _BATCH, Job.line > _AFTER, Job.state_in(*_WAITING))
                .order_by(Job.line)
                .limit(CALLED_OFF_AT_ONCE)
                .with_for_update(skip_locked=True)
                .scalar_subquery()
            )
        ),
        Job.state_in(*_WAITING),
        yields=("id", "provider", "line"),
    )
)
_LET_GO = fixed(delete(HeldPicture).where(HeldPicture.job_id == any_(_JOBS)))


def call_off(session: Session, batch_id: str, *, after: int) -> list[Any]:
    """Settle some of the lines beyond `after` that have not begun as cancelled; provider and line of each.

    What somebody else is about to move is left out.
    """
    rows = run(session, Step(_CALL_OFF, {"batch_id": batch_id, "after": after}))
    run(session, Step(_LET_GO, {"job_ids": [row.id for row in rows]}))
    return rows
