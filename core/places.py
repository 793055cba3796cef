"""Where queued jobs stand: how many start before them, by the rules of core/queues.py.

Told only of the first of each queue: for what is further back, much may change before its turn comes, and looking
must cost the same whatever the length of the queues. Told by lanes and shares alone: the floor lets lines of
batches start sooner beside more urgent jobs, the clearance later, and neither is counted in.
"""

from collections import defaultdict
from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from math import ceil
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import Text, Uuid, and_, func, select
from sqlalchemy.orm import Session

from core import queues
from core.database import run
from core.orm import ApiKey, Job, Provider
from core.statements import Given, Step, fixed
from core.states import JobState, Lane

FIRST = 1000
_URGENCY = [lane.value for lane in Lane]


@dataclass(frozen=True, slots=True)
class Place:
    """How many jobs start before this one, in so many `slots`: none while its provider starts nothing.

    To a line of a batch those are counted that batches do not leave to others.
    """

    ahead: int
    slots: int


def of_jobs(
    session: Session, jobs: Collection[Job], *, behind: Mapping[UUID, int] = MappingProxyType({})
) -> dict[UUID, Place]:
    """The places of those of these jobs that are queued, and among the first of their queues.

    Of a job that is named in `behind`: the place so many behind it in its queue.
    """
    waiting: dict[tuple[str, str, UUID], set[UUID]] = defaultdict(set)
    for job in jobs:
        if job.state is JobState.QUEUED and not job.held:
            waiting[job.provider, job.lane, job.key_id].add(job.id)
    places: dict[UUID, Place] = {}
    for provider in {provider for provider, _, _ in waiting}:
        every = run(session, Step(_QUEUES, {"of_provider": provider}))
        for queue in every:
            if wanted := waiting.get((provider, queue.lane, queue.key_id)):
                others = [other for other in every if other is not queue]
                numbers = _numbers(session, queue, wanted)
                places |= {
                    job_id: _place(queue, number + behind.get(job_id, 0), run_after, others)
                    for job_id, (number, run_after) in numbers.items()
                }
    return places


# Each queue of a provider: how many wait in it, among the first, and since when the next of them does; how many
# slots its key has taken in its lane.
_EVERY = queues.every()
_JOBS = (
    select(Job.run_after)
    .where(*queues.WAITING, Job.lane == _EVERY.c.lane, Job.key_id == _EVERY.c.key_id)
    .correlate(_EVERY)
)
_OF_SAME_KEY = and_(queues.UNDER_WAY.c.lane == _EVERY.c.lane, queues.UNDER_WAY.c.key_id == _EVERY.c.key_id)
_QUEUES = fixed(
    select(
        Provider.name.label("of_provider"),
        queues.OPEN_SLOTS.label("slots"),
        *_EVERY.c,
        ApiKey.weight,
        func.coalesce(queues.UNDER_WAY.c.slots, 0).label("taken"),
        select(func.count()).select_from(_JOBS.limit(FIRST).subquery()).scalar_subquery().label("waiting"),
        _JOBS.order_by(*queues.IN_ORDER).limit(1).scalar_subquery().label("since"),
    )
    .join(ApiKey, ApiKey.id == _EVERY.c.key_id)
    .join(Provider, Provider.name == queues.PROVIDER)
    .outerjoin(queues.UNDER_WAY, _OF_SAME_KEY)
)
_FIRST_OF_QUEUE = fixed(
    select(Job.id, Job.run_after)
    .where(*queues.WAITING, Job.lane == Given("lane", Text()), Job.key_id == Given("key_id", Uuid()))
    .order_by(*queues.IN_ORDER)
    .limit(FIRST)
)


def _numbers(session: Session, queue: Any, wanted: Container[UUID]) -> dict[UUID, tuple[int, datetime]]:
    """How many come before each in its own queue, and since when it is due."""
    first = enumerate(run(session, Step(_FIRST_OF_QUEUE, queue._asdict())))
    return {job.id: (number, job.run_after) for number, job in first if job.id in wanted}


def _place(queue: Any, number: int, run_after: datetime, others: Sequence[Any]) -> Place:
    ahead = number + sum(_before(queue, number, run_after, other) for other in others)
    kept = max(queue.slots * queues.CLEARANCE // 100, 1) if queue.lane == Lane.BATCH and queue.slots > 1 else 0
    return Place(ahead, queue.slots - kept)


def _before(queue: Any, number: int, run_after: datetime, other: Any) -> int:
    """How many jobs of another queue start before the one that has `number` before it in its own."""
    waiting: int = other.waiting
    if other.lane != queue.lane:
        return waiting if _URGENCY.index(other.lane) < _URGENCY.index(queue.lane) else 0
    turn: Fraction = Fraction(queue.taken + number, queue.weight) * other.weight - other.taken
    tied = bool(turn >= 0 and turn.denominator == 1 and other.since < run_after)
    before = max(0, ceil(turn)) + tied
    return before if waiting == FIRST else min(waiting, before)  # of a longer queue nobody knows the end
