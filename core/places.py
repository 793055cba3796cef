"""Where queued jobs stand: how many start before them, by the rules of core/queues.py.

Told only of the first of each queue: for what is further back, much may change before its turn comes, and looking
must cost the same whatever the length of the queues. Told by lanes and shares alone: the floor lets lines of
batches start sooner beside more urgent jobs, the clearance later, and neither is counted in.
"""

from collections import defaultdict
from collections.abc import Collection, Container, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from math import ceil
from typing import Any
from uuid import UUID

from sqlalchemy import Text, Uuid, and_, func, select
from sqlalchemy.orm import Session

from core import queues
from core.database import Given, Step, fixed, run
from core.orm import ApiKey, Job, Provider
from core.states import JobState, Lane

FIRST = 1000
_URGENCY = [lane.value for lane in Lane]


@dataclass(frozen=True, slots=True)
class Place:
    """How many jobs start before this one, on a provider of so many `slots`."""

    ahead: int
    slots: int


def of_jobs(session: Session, jobs: Collection[Job]) -> dict[UUID, Place]:
    """The places of those of these jobs that are queued, and among the first of their queues."""
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
                places |= _in_queue(session, queue, others, wanted)
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
        Provider.slots,
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


def _in_queue(session: Session, queue: Any, others: Sequence[Any], wanted: Container[UUID]) -> dict[UUID, Place]:
    places: dict[UUID, Place] = {}
    for number, job in enumerate(run(session, Step(_FIRST_OF_QUEUE, queue._asdict()))):
        if job.id in wanted:
            ahead = number + sum(_before(queue, number, job.run_after, other) for other in others)
            places[job.id] = Place(ahead, max(queue.slots, 1))
    return places


def _before(queue: Any, number: int, run_after: datetime, other: Any) -> int:
    """How many jobs of another queue start before the one that has `number` before it in its own."""
    waiting: int = other.waiting
    if other.lane != queue.lane:
        return waiting if _URGENCY.index(other.lane) < _URGENCY.index(queue.lane) else 0
    turn: Fraction = Fraction(queue.taken + number, queue.weight) * other.weight - other.taken
    tied = bool(turn >= 0 and turn.denominator == 1 and other.since < run_after)
    return min(waiting, max(0, ceil(turn)) + tied)
