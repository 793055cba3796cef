"""Which queued jobs may start now: as many as the provider has free slots for, each lane and each key in its turn.

A slot is one provider call at a time. The broker never holds more of a provider's jobs than it has slots. Whoever
blocks on a picture goes first, but for a floor below which batches do not fall; between the keys of a lane, the
one that has the least under way for its weight goes first; among a key's own jobs priority decides, then age.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Integer, Numeric, Text, and_, any_, case, cast, func, or_, select, true, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.database import BEGIN, COMMIT, Database, Given, Step, fixed
from core.ledger import move
from core.orm import ApiKey, Job, Provider
from core.states import Event, JobState, Lane

# The class of our advisory locks; any number, the same in every process.
LOCKS = 7292
# Of a provider's slots, the share that batches get whoever else waits, and the share that they leave to others.
FLOOR = CLEARANCE = 10

_PROVIDER = Given("of_provider", Text())

_NOW = func.statement_timestamp()
_OPEN_SLOTS = case(
    (Provider.paused_until > _NOW, 0),
    (Provider.open_until > _NOW, 0),
    (Provider.open_until.is_not(None), func.least(Provider.slots, 1)),  # one call tries whether it is back
    else_=Provider.slots,
)
_UNDER_WAY = (
    select(Job.lane, Job.key_id, func.sum(Job.slots).label("slots"))
    .where(Job.provider == _PROVIDER, Job.state_in(JobState.DISPATCHED, JobState.RUNNING))
    .group_by(Job.lane, Job.key_id)
    .cte("under_way")
)
_TAKEN = func.coalesce(func.sum(_UNDER_WAY.c.slots), 0)
_BATCHES_TAKE = func.coalesce(func.sum(_UNDER_WAY.c.slots).filter(_UNDER_WAY.c.lane == Lane.BATCH), 0)
_ROOM = (
    select(
        _OPEN_SLOTS.label("slots"),
        (_OPEN_SLOTS - select(_TAKEN).scalar_subquery()).label("free"),
        select(_BATCHES_TAKE).scalar_subquery().label("batches_take"),
    )
    .where(Provider.name == _PROVIDER)
    .cte("room")
)
_SLOTS, _FREE, _BATCHES = (select(_ROOM.c[name]).scalar_subquery() for name in ("slots", "free", "batches_take"))

_WAITING = (Job.provider == _PROVIDER, Job.state_in(JobState.QUEUED), ~Job.held)

# One look for each lane of each key that has queued jobs, however many those are.
_QUEUES = (
    select(Job.lane, Job.key_id)
    .where(*_WAITING, _FREE > 0)
    .order_by(Job.lane, Job.key_id)
    .limit(1)
    .cte("queues", recursive=True)
)
_NEXT = (
    select(Job.lane, Job.key_id)
    .where(*_WAITING, tuple_(Job.lane, Job.key_id) > tuple_(_QUEUES.c.lane, _QUEUES.c.key_id))
    .order_by(Job.lane, Job.key_id)
    .limit(1)
    .lateral("next")
)
_QUEUES = _QUEUES.union_all(select(_NEXT.c.lane, _NEXT.c.key_id).select_from(_QUEUES).join(_NEXT, true()))

# A job that would make more calls at once than there are slots makes do with all of them.
_GRANTED = func.least(Job.slots, _SLOTS, type_=Integer)
_HEADS = (
    select(Job.id, Job.priority, Job.run_after, _GRANTED.label("granted"))
    # Not now(): a transaction that began before the job was recorded must see it as due.
    .where(*_WAITING, Job.lane == _QUEUES.c.lane, Job.key_id == _QUEUES.c.key_id, Job.run_after <= _NOW)
    .order_by(Job.priority.desc(), Job.run_after, Job.id)
    .limit(_FREE)
    .lateral("heads")
)
_TURNS = (
    select(
        _QUEUES.c.lane,
        *_HEADS.c,
        (
            (
                func.coalesce(_UNDER_WAY.c.slots, 0)
                + func.sum(_HEADS.c.granted).over(
                    partition_by=(_QUEUES.c.lane, _QUEUES.c.key_id),
                    order_by=(_HEADS.c.priority.desc(), _HEADS.c.run_after, _HEADS.c.id),
                )
                - _HEADS.c.granted
            )
            / cast(ApiKey.weight, Numeric)
        ).label("turn"),
    )
    .select_from(_QUEUES)
    .join(_HEADS, true())
    .join(ApiKey, ApiKey.id == _QUEUES.c.key_id)
    .outerjoin(_UNDER_WAY, and_(_UNDER_WAY.c.lane == _QUEUES.c.lane, _UNDER_WAY.c.key_id == _QUEUES.c.key_id))
    .cte("turns")
)
_LINED_UP = select(
    *_TURNS.c,
    func.sum(_TURNS.c.granted)
    .over(partition_by=_TURNS.c.lane, order_by=(_TURNS.c.turn, _TURNS.c.run_after, _TURNS.c.id))
    .label("in_lane"),
).cte("lined_up")
_IS_BATCH = _LINED_UP.c.lane == Lane.BATCH
_OF_BATCHES = _BATCHES + _LINED_UP.c.in_lane
_RANK = case(
    (and_(_IS_BATCH, func.greatest(_SLOTS * FLOOR / 100, 1) >= _OF_BATCHES), 0),
    (_LINED_UP.c.lane == Lane.INTERACTIVE, 1),
    (_LINED_UP.c.lane == Lane.ASYNC, 2),
    else_=3,
)
_MOST_BATCHES = _SLOTS - case((_SLOTS > 1, func.greatest(_SLOTS * CLEARANCE / 100, 1)), else_=0)
_COUNTED = (
    select(
        _LINED_UP.c.id,
        func.sum(_LINED_UP.c.granted)
        .over(order_by=(_RANK, _LINED_UP.c.turn, _LINED_UP.c.run_after, _LINED_UP.c.id))
        .label("taken"),
    )
    .where(or_(~_IS_BATCH, _OF_BATCHES <= _MOST_BATCHES))
    .cte("counted")
)

_HASTY = Step("SET LOCAL synchronous_commit TO off")
_LOCK = fixed(select(func.pg_advisory_xact_lock(LOCKS, func.hashtext(_PROVIDER))))
_ADMIT = fixed(
    move(
        Event.ADMITTED,
        # An array, or the planner, which cannot know how few those are, would read the whole table.
        Job.id == any_(func.array(select(_COUNTED.c.id).where(_COUNTED.c.taken <= _FREE).scalar_subquery())),
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
    return [BEGIN, _HASTY, Step(_LOCK, given), Step(_ADMIT, given), COMMIT]


def admit(database: Database, provider: str) -> list[UUID]:
    """Dispatch what may start; the ids are yet to be published.

    A single round trip, in a transaction of its own: were the lock held while this process thinks, one busy
    process would hold up all others.
    """
    with database.line() as line:
        *_, admitted = line.run(*steps(provider))
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
