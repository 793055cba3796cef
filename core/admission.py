"""Which queued jobs may start now: as many as the provider has free slots for, first come, first served.

A slot is one provider call at a time. The broker never holds more of a provider's jobs than it has slots.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Integer, Text, case, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.database import Database, Given, Step, fixed
from core.ledger import move
from core.orm import Job, Provider
from core.states import Event, JobState

# The class of our advisory locks; any number, the same in every process.
LOCKS = 7292

_PROVIDER = Given("of_provider", Text())
_MINE = Job.provider == _PROVIDER

_NOW = func.statement_timestamp()
_OPEN_SLOTS = case(
    (Provider.paused_until > _NOW, 0),
    (Provider.open_until > _NOW, 0),
    (Provider.open_until.is_not(None), func.least(Provider.slots, 1)),  # one call tries whether it is back
    else_=Provider.slots,
)
_SLOTS = func.coalesce(select(_OPEN_SLOTS).where(Provider.name == _PROVIDER).scalar_subquery(), 0, type_=Integer)

_UNDER_WAY = (
    select(func.coalesce(func.sum(Job.slots), 0, type_=Integer))
    .where(_MINE, Job.state_in(JobState.DISPATCHED, JobState.RUNNING))
    .scalar_subquery()
)

# A job that would make more calls at once than there are slots makes do with all of them.
_GRANTED = func.least(Job.slots, _SLOTS, type_=Integer)

_FIRST_IN_LINE = (
    select(Job.id, Job.run_after, _GRANTED.label("granted"))
    # Not now(): a transaction that began before the job was recorded must see it as due.
    .where(_MINE, Job.state_in(JobState.QUEUED), Job.run_after <= func.statement_timestamp())
    .order_by(Job.run_after, Job.id)
    .limit(func.greatest(_SLOTS - _UNDER_WAY, 0))
    .cte("first_in_line")
)
_COUNTED = select(
    _FIRST_IN_LINE.c.id,
    func.sum(_FIRST_IN_LINE.c.granted)
    .over(order_by=(_FIRST_IN_LINE.c.run_after, _FIRST_IN_LINE.c.id))
    .label("taken"),
).cte("counted")

# One at a time; and nothing of it has to outlive a crash of Postgres.
_TURN = fixed(
    select(
        func.set_config("synchronous_commit", "off", True),
        func.pg_advisory_xact_lock(LOCKS, func.hashtext(_PROVIDER)),
    )
)
_ADMIT = fixed(
    move(
        Event.ADMITTED,
        Job.id.in_(select(_COUNTED.c.id).where(_COUNTED.c.taken <= _SLOTS - _UNDER_WAY)),
        dispatched_at=func.clock_timestamp(),
        slots=_GRANTED,
    )
)


def steps(provider: str) -> list[Step]:
    """Dispatches as many of a provider's queued jobs as it has free slots for; yields, last, their ids.

    One at a time counts a provider's slots, from a snapshot that it takes once it has the lock. Nothing of it has
    to outlive a crash of Postgres: what was dispatched is queued then, and admitted again.
    """
    given = {"of_provider": provider}
    return [Step(_TURN, given), Step(_ADMIT, given)]


def admit(database: Database, provider: str) -> list[UUID]:
    """Dispatch what may start; the ids are yet to be published.

    A single round trip, in a transaction of its own: were the lock held while this process thinks, one busy
    process would hold up all others.
    """
    with database.line() as line:
        _, admitted = line.run(steps(provider))
    return [row.id for row in admitted]


def register(session: Session, provider: str, *, slots: int) -> None:
    """Give a provider its row; one that is there keeps its slots, and one that has none starts nothing."""
    session.execute(insert(Provider).values(name=provider, slots=slots).on_conflict_do_nothing())


def set_slots(session: Session, provider: str, slots: int) -> bool:
    """Change a provider's slots from now on; what is under way stays so. False where it is not registered."""
    changed = update(Provider).where(Provider.name == provider).values(slots=slots).returning(Provider.name)
    return session.execute(changed).one_or_none() is not None


def providers(session: Session) -> Sequence[Provider]:
    """All registered providers, by name."""
    return session.scalars(select(Provider).order_by(Provider.name)).all()
