"""How each provider stands right now: what it may do, what it does, and what waits for it.

Read from what is live by partial indexes: it costs the same however many jobs have ended, and however many wait.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import text
from sqlalchemy.orm import Session

from core.queues import LONGEST_CALL
from core.states import Lane

# More than so many jobs of a lane are not counted.
MOST = 10_000


class Standing(StrEnum):
    """What a provider may do: `throttled` is its own wish, `paused` and `draining` are an operator's."""

    HEALTHY = "healthy"
    THROTTLED = "throttled"
    PAUSED = "paused"
    DRAINING = "draining"
    OUT = "out"
    PROBING = "probing"


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits in a lane: at most MOST are counted, `more` says that there are others.

    `oldest` is for how many seconds one has been due; None where none is. What is held is not among them.
    """

    depth: int = 0
    more: bool = False
    oldest: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderStanding:
    """`until` is when it may start jobs again by itself; of its `slots` so many are `running`, or `dispatched`.

    Those that run calls of cancelled jobs to their end are among the running ones.
    """

    name: str
    standing: Standing
    until: datetime | None
    slots: int
    running: int
    dispatched: int
    queues: Mapping[Lane, Queue]

    @property
    def taken(self) -> int:
        return self.running + self.dispatched

    @property
    def waits(self) -> bool:
        return any(queue.depth for queue in self.queues.values())

    @property
    def oldest(self) -> float:
        """For how many seconds a job of any lane has been due."""
        return max((queue.oldest or 0.0 for queue in self.queues.values()), default=0.0)


def providers(session: Session) -> Sequence[ProviderStanding]:
    """All of them, by name."""
    queues: dict[str, dict[Lane, Queue]] = {}
    for row in session.execute(_QUEUES, {"more": MOST + 1}):
        queue = Queue(min(row.depth, MOST), row.depth > MOST, row.oldest)
        queues.setdefault(row.provider, {})[Lane(row.lane)] = queue
    return [
        ProviderStanding(
            name=row.name,
            standing=Standing(row.standing),
            until=row.until,
            slots=row.slots,
            running=row.running,
            dispatched=row.dispatched,
            queues={lane: queues[row.name][lane] for lane in Lane},
        )
        for row in session.execute(_PROVIDERS, {"longest_call": LONGEST_CALL})
    ]


# An operator's pause has no end that anybody would live to see.
_PROVIDERS = text("""
SELECT name, slots, running + called_off AS running, dispatched, standing,
    CASE standing WHEN 'throttled' THEN paused_until WHEN 'out' THEN open_until END AS until
FROM providers
CROSS JOIN LATERAL (
    SELECT coalesce(sum(coalesce(jobs.granted, jobs.slots)) FILTER (WHERE state = 'running'), 0) AS running,
        coalesce(sum(coalesce(jobs.granted, jobs.slots)) FILTER (WHERE state = 'dispatched'), 0) AS dispatched
    FROM jobs WHERE provider = providers.name AND state IN ('dispatched', 'running')
) AS under_way
CROSS JOIN LATERAL (
    SELECT coalesce(sum(granted), 0) AS called_off FROM jobs
    WHERE provider = providers.name AND state = 'cancelled' AND granted IS NOT NULL
    AND settled_at > now() - CAST(:longest_call AS interval)
) AS going_on
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN paused_until > now() + interval '100 years' THEN 'paused'
        WHEN draining THEN 'draining'
        WHEN open_until > clock_timestamp() THEN 'out'
        WHEN open_until IS NOT NULL THEN 'probing'
        WHEN paused_until > clock_timestamp() THEN 'throttled'
        ELSE 'healthy'
    END AS standing
) AS seen
ORDER BY name
""")

# The first of each priority of each queue, one look each; which of them has been due longest is the oldest.
_QUEUES = text("""
WITH RECURSIVE heads AS (
    (SELECT provider, lane, key_id, priority, run_after FROM jobs WHERE state = 'queued' AND NOT held
     ORDER BY provider, lane, key_id, priority DESC, run_after LIMIT 1)
    UNION ALL
    SELECT following.* FROM heads CROSS JOIN LATERAL (
        -- Of the same queue, or else of the next one: what comes first is not looked past.
        (SELECT provider, lane, key_id, priority, run_after FROM jobs WHERE state = 'queued' AND NOT held
         AND provider = heads.provider AND lane = heads.lane AND key_id = heads.key_id
         AND priority < heads.priority
         ORDER BY priority DESC, run_after LIMIT 1)
        UNION ALL
        (SELECT provider, lane, key_id, priority, run_after FROM jobs WHERE state = 'queued' AND NOT held
         AND (provider, lane, key_id) > (heads.provider, heads.lane, heads.key_id)
         ORDER BY provider, lane, key_id, priority DESC, run_after LIMIT 1)
        LIMIT 1
    ) AS following
)
SELECT providers.name AS provider, lanes.lane,
    (SELECT count(*) FROM (
        SELECT FROM jobs WHERE provider = providers.name AND lane = lanes.lane AND state = 'queued' AND NOT held
        LIMIT :more
    ) AS first) AS depth,
    (SELECT extract(epoch FROM clock_timestamp() - min(run_after))::float FROM heads
     WHERE heads.provider = providers.name AND heads.lane = lanes.lane
     AND run_after <= clock_timestamp()) AS oldest
FROM providers CROSS JOIN unnest(ARRAY['interactive', 'async', 'batch']) AS lanes (lane)
""")
