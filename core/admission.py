"""Which queued jobs may start now: as many as the provider has free slots, first come, first served.

The broker therefore never holds more of a provider's jobs than the provider has slots.
"""

from sqlalchemy import CTE, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.orm import Job, Provider
from core.states import JobState

# What a worker process carries (design: at least 500 provider calls at once).
DEFAULT_SLOTS = 500

_UNDER_WAY = (
    select(func.count())
    .where(Job.provider == bindparam("of_provider"), Job.state_in(JobState.DISPATCHED, JobState.RUNNING))
    .scalar_subquery()
)


def startable() -> CTE:
    """The ids that may start, for the bound `of_provider` and its `slots`; for use under `lock` only."""
    return (
        select(Job.id)
        .where(
            Job.provider == bindparam("of_provider"),
            Job.state_in(JobState.QUEUED),
            # Not now(): a transaction that began before the job was recorded must see it as due.
            Job.run_after <= func.statement_timestamp(),
        )
        .order_by(Job.run_after, Job.id)
        .limit(func.greatest(bindparam("slots") - _UNDER_WAY, 0))
        .with_for_update(skip_locked=True)
        .cte("startable")
    )


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
