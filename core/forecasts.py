"""When a job will have ended: told from how long its like took lately, and kept, to see how far off that was."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.orm import Forecast, Job, ProviderCall
from core.places import Place
from core.states import CallOutcome

# How many of the latest calls tell how long calls take; of fewer than so many like it, nothing is foretold.
LATEST = 2000
FEWEST = 10
FRESH_SECONDS = 10.0

Kind = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Render:
    """Seconds that half, and nine in ten, of the calls of a kind took at most."""

    p50: float
    p90: float


class Forecaster:
    """Of one process: looks at the ledger once in a while, however often it is asked."""

    def __init__(self) -> None:
        self._renders: dict[Kind, Render] = {}
        self._fresh_until = 0.0

    def expect(self, session: Session, job: Job, place: Place | None) -> Render | None:
        """In how many seconds a queued job will have ended.

        None where too little is known of its kind, and while its provider starts nothing.
        """
        render = self.renders(session).get(_kind(job))
        if render is None or place is None or not place.slots:
            return None
        rounds = 1 + place.ahead / place.slots
        return Render(render.p50 * rounds, render.p90 * rounds)

    def renders(self, session: Session) -> Mapping[Kind, Render]:
        """How long each kind took lately that enough is known of."""
        if time.monotonic() >= self._fresh_until:
            self._fresh_until = time.monotonic() + FRESH_SECONDS
            self._renders = _renders(session)
        return self._renders


def keep(session: Session, job: Job, expected: Render) -> None:
    """Remember what was first told of a job."""
    row = insert(Forecast).values(
        job_id=job.id, expected_at=func.clock_timestamp() + timedelta(seconds=expected.p50)
    )
    session.execute(row.on_conflict_do_nothing())


def _kind(job: Job) -> Kind:
    return job.provider, job.model, job.request["size"], job.request["quality"]


def _renders(session: Session) -> dict[Kind, Render]:
    seconds = func.extract("epoch", ProviderCall.ended_at - ProviderCall.sent_at).label("seconds")
    latest = (
        select(ProviderCall.job_id, ProviderCall.provider, ProviderCall.outcome, seconds)
        .order_by(ProviderCall.id.desc())
        .limit(LATEST)
        .subquery()
    )
    kind = (latest.c.provider, Job.model, Job.request["size"].as_string(), Job.request["quality"].as_string())
    quantiles = [func.percentile_cont(share).within_group(latest.c.seconds) for share in (0.5, 0.9)]
    rows = session.execute(
        select(*kind, *quantiles)
        .join(Job, Job.id == latest.c.job_id)
        .where(latest.c.outcome == CallOutcome.DELIVERED)
        .group_by(*kind)
        .having(func.count() >= FEWEST)
    )
    return {(row[0], row[1], row[2], row[3]): Render(float(row[4]), float(row[5])) for row in rows}
