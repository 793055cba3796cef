"""The order in which a provider's queued jobs start: by lane, fair share, priority and age.

Whoever blocks on a picture goes first, but for a floor below which batches do not fall; and batches leave a few
slots to all others, so that these need not wait for a long picture to be done. Between the keys of a lane, the one
that has the least under way for its weight goes first; among a key's own jobs priority decides, then age.

A piece of the statement that admits. It looks at the first jobs of each queue, a queue being what one key has in
one lane, hence costs the same whatever the length of the queues.
"""

from datetime import timedelta

from sqlalchemy import (
    CTE,
    ColumnElement,
    Integer,
    Numeric,
    Text,
    and_,
    case,
    cast,
    func,
    or_,
    select,
    true,
    tuple_,
    union_all,
)

from core.orm import ApiKey, Job, Provider
from core.statements import Given
from core.states import JobState, Lane

# In percent of a provider's slots: what batches get whoever else waits, and what they leave to others.
FLOOR = CLEARANCE = 10
# By when a call of a job that was cancelled has ended, though its worker may be gone and cannot say so.
LONGEST_CALL = timedelta(minutes=5)

PROVIDER = Given("of_provider", Text())

_NOW = func.statement_timestamp()
# None while nothing of a provider starts.
OPEN_SLOTS = case(
    (Provider.draining, 0),
    (Provider.paused_until > _NOW, 0),
    (Provider.open_until > _NOW, 0),
    (Provider.open_until.is_not(None), func.least(Provider.slots, 1)),  # one call tries whether it is back
    else_=Provider.slots,
)
_AT_WORK = union_all(
    select(Job.lane, Job.key_id, func.coalesce(Job.granted, Job.slots).label("slots")).where(
        Job.provider == PROVIDER, Job.state_in(JobState.DISPATCHED, JobState.RUNNING)
    ),
    # What was cancelled in the middle of its calls: they go on.
    select(Job.lane, Job.key_id, Job.granted).where(
        Job.provider == PROVIDER,
        Job.state_in(JobState.CANCELLED),
        Job.granted.is_not(None),
        Job.settled_at > _NOW - LONGEST_CALL,
    ),
).subquery("at_work")
# The slots that each key has taken in each lane.
UNDER_WAY = (
    select(_AT_WORK.c.lane, _AT_WORK.c.key_id, func.sum(_AT_WORK.c.slots).label("slots"))
    .group_by(_AT_WORK.c.lane, _AT_WORK.c.key_id)
    .cte("under_way")
)
_TAKEN = func.coalesce(func.sum(UNDER_WAY.c.slots), 0)
_BATCHES_TAKE = func.coalesce(func.sum(UNDER_WAY.c.slots).filter(UNDER_WAY.c.lane == Lane.BATCH), 0)
_ROOM = (
    select(
        OPEN_SLOTS.label("slots"),
        (OPEN_SLOTS - select(_TAKEN).scalar_subquery()).label("free"),
        select(_BATCHES_TAKE).scalar_subquery().label("batches_take"),
    )
    .where(Provider.name == PROVIDER)
    .cte("room")
)
_SLOTS, _FREE, _BATCHES = (select(_ROOM.c[name]).scalar_subquery() for name in ("slots", "free", "batches_take"))

WAITING = (Job.provider == PROVIDER, Job.state_in(JobState.QUEUED), ~Job.held)
IN_ORDER = (Job.priority.desc(), Job.run_after, Job.id)


def every(*conditions: ColumnElement[bool]) -> CTE:
    """The lane and key of each queue, none unless the conditions hold: one look a queue, however long it is."""
    first = select(Job.lane, Job.key_id).where(*WAITING).order_by(Job.lane, Job.key_id).limit(1)
    queues = first.where(*conditions).cte("queues", recursive=True)
    following = tuple_(Job.lane, Job.key_id) > tuple_(queues.c.lane, queues.c.key_id)
    then = first.where(following).lateral("next")
    return queues.union_all(select(then.c.lane, then.c.key_id).select_from(queues).join(then, true()))


_QUEUES = every(_FREE > 0)

# Nothing is kept for batches while none waits. One slot has no tenth: of its starts they get one in ten, by lot,
# which a CTE draws once.
_A_BATCH_WAITS = select(_QUEUES).where(_QUEUES.c.lane == Lane.BATCH).exists()
_SHARE = case(
    (~_A_BATCH_WAITS, 0),
    (_SLOTS > 1, func.greatest(_SLOTS * FLOOR // 100, 1)),
    else_=cast(func.random() * 100 < FLOOR, Integer),
)
_FLOOR = select(select(_SHARE.label("slots")).cte("floor").c.slots).scalar_subquery()

# A job that would make more calls at once makes do with these, so that there is room for it some day: a line of a
# batch has the floor, whoever else waits; all others have the rest, whatever batches wait.
GRANTED = func.least(
    Job.slots, func.greatest(case((Job.lane == Lane.BATCH, _FLOOR), else_=_SLOTS - _FLOOR), 1), type_=Integer
)
_HEADS = (
    select(Job.id, Job.priority, Job.run_after, GRANTED.label("granted"))
    # Not now(): a transaction that began before the job was recorded must see it as due.
    .where(*WAITING, Job.lane == _QUEUES.c.lane, Job.key_id == _QUEUES.c.key_id, Job.run_after <= _NOW)
    .order_by(*IN_ORDER)
    .limit(_FREE)
    .lateral("heads")
)
_TURNS = (
    select(
        _QUEUES.c.lane,
        *_HEADS.c,
        (
            (
                func.coalesce(UNDER_WAY.c.slots, 0)
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
    .outerjoin(UNDER_WAY, and_(UNDER_WAY.c.lane == _QUEUES.c.lane, UNDER_WAY.c.key_id == _QUEUES.c.key_id))
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
    (and_(_IS_BATCH, _OF_BATCHES <= _FLOOR), 0),
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

# As many as there are free slots for.
FIRST = select(_COUNTED.c.id).where(_COUNTED.c.taken <= _FREE)
