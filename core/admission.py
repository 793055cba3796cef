"""Which queued jobs may start now: as many as the provider has free slots for, in the order of core/queues.py.

A slot is one provider call at a time. The broker never holds more of a provider's jobs than it has slots.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import any_, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import offers, queues
from core.database import Database
from core.ledger import move
from core.orm import Job, Provider
from core.statements import Step, fixed
from core.states import Event

# The class of our advisory locks; any number, the same in every process.
LOCKS = 7292
# Until when an operator's pause lasts; Python has no word for Postgres's infinity.
FOREVER = datetime(9999, 1, 1, tzinfo=UTC)

# One at a time; and nothing of it has to outlive a crash of Postgres.
_TURN = fixed(
    select(
        func.set_config("synchronous_commit", "off", True),
        func.pg_advisory_xact_lock(LOCKS, func.hashtext(queues.PROVIDER)),
    )
)
_ADMIT = fixed(
    move(
        Event.ADMITTED,
        # An array, or the planner, which cannot know how few those are, would read the whole table.
        Job.id == any_(func.array(queues.FIRST.scalar_subquery())),
        dispatched_at=func.clock_timestamp(),
        granted=queues.GRANTED,
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
    return _change(session, provider, slots=slots)


def set_rate(session: Session, provider: str, rate: str | None) -> bool:
    """Change how many calls to a provider may begin in a time, as `150/10 seconds`; None is the catalog's again.

    Its workers follow at their next beat. Raises ValueError for what is no rate; False as `set_slots`.
    """
    return _change(session, provider, rate=None if rate is None else offers.rate(rate))


def pause(session: Session, provider: str) -> bool:
    """Start none of a provider's jobs until it is resumed. False where there is no such provider."""
    return _change(session, provider, paused_until=FOREVER)


def drain(session: Session, provider: str) -> bool:
    """As `pause`, and let stand-ins make what waits, where the catalog names some."""
    return _change(session, provider, draining=True)


def resume(session: Session, provider: str) -> bool:
    """Start a provider's jobs again, whatever kept them: an operator, its own wish, or its failures."""
    return _change(session, provider, paused_until=None, draining=False, open_until=None, failures=0)


def _change(session: Session, provider: str, **values: Any) -> bool:
    changed = update(Provider).where(Provider.name == provider).values(**values).returning(Provider.name)
    return session.execute(changed).one_or_none() is not None


def providers(session: Session) -> Sequence[Provider]:
    """All registered providers, by name."""
    return session.scalars(select(Provider).order_by(Provider.name)).all()
