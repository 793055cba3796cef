"""Where queued jobs stand: how many start before them, by the rules of core/queues.py.

Told only of the first of each queue: for what is further back, much may change before its turn comes, and looking
must cost the same whatever the length of the queues.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from math import ceil
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text
from sqlalchemy.orm import Session

from core.orm import Job
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
    waiting = [job for job in jobs if job.state is JobState.QUEUED and not job.held]
    places: dict[UUID, Place] = {}
    for provider in {job.provider for job in waiting}:
        queues = session.execute(_QUEUES, {"provider": provider, "first": FIRST}).all()
        own = [job for job in waiting if job.provider == provider]
        places |= _places(session, own, queues)
    return places


# Each queue of a provider: how many wait in it, among the first, and since when the next of them does; how many
# slots its key has taken in its lane.
_QUEUES = text("""
WITH RECURSIVE queues AS (
    (SELECT lane, key_id FROM jobs WHERE provider = :provider AND state = 'queued' AND NOT held
     ORDER BY lane, key_id LIMIT 1)
    UNION ALL
    SELECT following.lane, following.key_id FROM queues CROSS JOIN LATERAL (
        SELECT lane, key_id FROM jobs WHERE provider = :provider AND state = 'queued' AND NOT held
        AND (lane, key_id) > (queues.lane, queues.key_id) ORDER BY lane, key_id LIMIT 1
    ) AS following
), under_way AS (
    SELECT lane, key_id, sum(slots) AS slots FROM jobs
    WHERE provider = :provider AND state IN ('dispatched', 'running') GROUP BY lane, key_id
)
SELECT queues.lane, queues.key_id, api_keys.weight, coalesce(under_way.slots, 0) AS taken, providers.slots,
    (SELECT count(*) FROM (
        SELECT FROM jobs WHERE provider = :provider AND state = 'queued' AND NOT held
        AND lane = queues.lane AND key_id = queues.key_id LIMIT :first
    ) AS first) AS waiting,
    (SELECT run_after FROM jobs WHERE provider = :provider AND state = 'queued' AND NOT held
     AND lane = queues.lane AND key_id = queues.key_id ORDER BY priority DESC, run_after, id LIMIT 1) AS since
FROM queues JOIN api_keys ON api_keys.id = queues.key_id JOIN providers ON providers.name = :provider
LEFT JOIN under_way ON under_way.lane = queues.lane AND under_way.key_id = queues.key_id
""")


def _places(session: Session, jobs: Iterable[Job], queues: Collection[Row[Any]]) -> dict[UUID, Place]:
    wanted = {job.id for job in jobs}
    of = {(job.lane, job.key_id, job.provider) for job in jobs}
    places: dict[UUID, Place] = {}
    for lane, key_id, provider in of:
        queue = next((each for each in queues if (each.lane, each.key_id) == (lane, key_id)), None)
        if queue is None:
            continue
        first = session.execute(
            select(Job.id, Job.run_after)
            .where(
                Job.provider == provider,
                Job.state_in(JobState.QUEUED),
                ~Job.held,
                Job.lane == lane,
                Job.key_id == key_id,
            )
            .order_by(Job.priority.desc(), Job.run_after, Job.id)
            .limit(FIRST)
        )
        for number, (job_id, run_after) in enumerate(first):
            if job_id in wanted:
                others = sum(_before(queue, number, run_after, other) for other in queues if other is not queue)
                places[job_id] = Place(number + others, max(queue.slots, 1))
    return places


def _before(queue: Row[Any], number: int, run_after: datetime, other: Row[Any]) -> int:
    """How many jobs of another queue start before the one that has `number` before it in its own."""
    waiting: int = other.waiting
    if other.lane != queue.lane:
        return waiting if _URGENCY.index(other.lane) < _URGENCY.index(queue.lane) else 0
    turn: Fraction = Fraction(queue.taken + number, queue.weight) * other.weight - other.taken
    tied = bool(turn >= 0 and turn.denominator == 1 and other.since < run_after)
    return min(waiting, max(0, ceil(turn)) + tied)
