"""Which queued jobs may start now: as many as the provider has free slots for, first come, first served.

A slot is one provider call at a time. The broker never holds more of a provider's jobs than it has slots.
"""

from sqlalchemy import CTE, Integer, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.orm import Job, Provider
from core.states import JobState

# What a worker process carries (design: at least 500 provider calls at once).
DEFAULT_SLOTS = 500

_MINE = Job.provider == bindparam("of_provider")
_UNDER_WAY = (
    select(func.coalesce(func.sum(Job.slots), 0))
    .where(_MINE, Job.state_in(JobState.DISPATCHED, JobState.RUNNING))
    .scalar_subquery()
)
# A job that would make more calls at once than there are slots makes do with all of them.
GRANTED = func.least(Job.slots, bindparam("most", type_=Integer))


def startable() -> CTE:
    """The ids that may start, for the bound `of_provider` and its slots, `most`; for use under `lock` only."""
    first_in_line = (
        select(Job.id, Job.run_after, GRANTED.label("granted"))
        # Not now(): a transaction that began before the job was recorded must see it as due.
        .where(_MINE, Job.state_in(JobState.QUEUED), Job.run_after <= func.statement_timestamp())
        .order_by(Job.run_after, Job.id)
        .limit(bindparam("most", type_=Integer))
        .cte("first_in_line")
    )
    taken = func.sum(first_in_line.c.granted).over(order_by=(first_in_line.c.run_after, first_in_line.c.id))
    counted = select(first_in_line.c.id, taken.label("taken")).cte("counted")
    free = bindparam("most", type_=Integer) - _UNDER_WAY
    return select(counted.c.id).where(counted.c.taken <= free).cte("startable")


def register(session: Session, provider: str) -> None:
    """Give a provider its row; one that is there keeps its slots."""
    session.execute(insert(Provider).values(name=provider, slots=DEFAULT_SLOTS).on_conflict_do_nothing())


_LOCK = select(Provider.slots).where(Provider.name == bindparam("provider")).with_for_update()


def lock(session: Session, provider: str) -> int:
    """Let one transaction at a time count this provider's slots; an unregistered provider has none."""
    return session.scalar(_LOCK, {"provider": provider}) or 0


def set_slots(session: Session, provider: str, slots: int) -> bool:
    """Change a provider's slots from now on; what is under way stays so. False where it is not registered."""
    changed = update(Provider).where(Provider.name == provider).values(slots=slots).returning(Provider.name)
    return session.execute(changed).one_or_none() is not None


def slots(session: Session) -> dict[str, int]:
    """Slots by provider."""
    return {row.name: row.slots for row in session.scalars(select(Provider).order_by(Provider.name))}
