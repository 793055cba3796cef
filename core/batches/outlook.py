"""What is ahead of a batch: how many jobs start before its next line, and when its last one will have ended.

At the pace that it has, once it has one; before, by how long its like took lately and what is ahead of its last.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select, true, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from core import places
from core.forecasts import Forecaster, Kind, Render
from core.orm import Batch, Job, Provider
from core.places import Place
from core.states import LIVE, BatchStatus, JobState, Lane

# Of fewer lines than so many, no pace can be told.
FEWEST = 20
# From so many lines, spread over the whole file, it is told what the others are like.
SAMPLE = 500


@dataclass(frozen=True, slots=True)
class Outlook:
    """`ahead` of its next line; `seconds` until its last will have ended. None where that cannot be told."""

    ahead: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class _Share:
    """The lines of a batch for one provider, as a sample has them; `width` is how many calls one makes at once."""

    kinds: Mapping[Kind, int]
    lines: int
    queued: int
    width: float


def of_batch(session: Session, batch: Batch, forecaster: Forecaster) -> Outlook:
    """Costs the same at any size."""
    if not _goes_on(batch):
        return Outlook()
    following = _next(session, batch)
    standing = places.of_jobs(session, following)
    ahead = min((place.ahead for place in standing.values()), default=None)
    pace = at_pace(batch)
    seconds = _from_its_like(session, batch, following, forecaster) if pace is None else pace
    return Outlook(ahead, seconds)


def keep(session: Session, batch: Batch, seconds: float) -> None:
    """Remember what was first told of a batch."""
    expected = func.clock_timestamp() + timedelta(seconds=seconds)
    unknown = (Batch.id == batch.id, Batch.expected_at.is_(None))
    session.execute(update(Batch).where(*unknown).values(expected_at=expected))


def at_pace(batch: Batch) -> float | None:
    """Seconds until its last line will have ended at the pace so far; None where it has none, or is paused."""
    done = batch.completed + batch.failed
    if not _goes_on(batch) or batch.in_progress_at is None or done < FEWEST:
        return None
    return (datetime.now(UTC) - batch.in_progress_at).total_seconds() * (batch.total - done) / done


def _goes_on(batch: Batch) -> bool:
    return batch.status is BatchStatus.IN_PROGRESS and not batch.paused


def _next(session: Session, batch: Batch) -> Sequence[Job]:
    """The line of each provider that starts next, where it is among the first of its key's queue."""
    queue = (Job.provider == Provider.name, Job.lane == Lane.BATCH, Job.key_id == batch.key_id)
    order = (Job.priority.desc(), Job.run_after, Job.id)
    first = (
        select(Job.id, Job.batch_id, func.row_number().over(order_by=order).label("number"))
        .where(*queue, Job.state_in(JobState.QUEUED), ~Job.held)
        .order_by(*order)
        .limit(places.FIRST)
        .lateral("first")
    )
    found = (
        select(first.c.id)
        .select_from(Provider)
        .join(first, true())
        .where(first.c.batch_id == batch.id)
        .ext(distinct_on(Provider.name))
        .order_by(Provider.name, first.c.number)
    )
    return session.scalars(select(Job).where(Job.id.in_(found))).all()


def _from_its_like(
    session: Session, batch: Batch, following: Sequence[Job], forecaster: Forecaster
) -> float | None:
    """Seconds until the last line of the slowest provider will have ended; None where one cannot be told."""
    shares = _shares(session, batch)
    sampled = sum(share.lines for share in shares.values())
    left = batch.total - batch.completed - batch.failed - batch.cancelled
    queued = {name: round(left * share.queued / sampled) for name, share in shares.items()}
    behind = {job.id: max(queued[job.provider] - 1, 0) for job in following if job.provider in queued}
    last = places.of_jobs(session, following, behind=behind)
    by_provider = {job.provider: last[job.id] for job in following if job.id in last}
    renders = forecaster.renders(session)
    told = [_seconds(share, by_provider.get(name), renders) for name, share in shares.items()]
    return max((each for each in told if each), default=None) if None not in told else None


def _seconds(share: _Share, last: Place | None, renders: Mapping[Kind, Render]) -> float | None:
    if not share.kinds.keys() <= renders.keys():
        return None
    render = sum(renders[kind].p50 * lines for kind, lines in share.kinds.items()) / share.lines
    if not share.queued:
        return render
    return render * (1 + last.ahead * share.width / last.slots) if last and last.slots else None


def _shares(session: Session, batch: Batch) -> dict[str, _Share]:
    """What has not ended, by provider."""
    lines = range(1, batch.read_lines + 1, max(batch.read_lines // SAMPLE, 1))
    kind = (Job.provider, Job.model, Job.request["size"].as_string(), Job.request["quality"].as_string())
    queued = func.count().filter(Job.state_in(JobState.QUEUED))
    rows = session.execute(
        select(*kind, func.count().label("lines"), queued.label("queued"), func.sum(Job.slots).label("slots"))
        .where(Job.batch_id == batch.id, Job.line.in_(lines), Job.state_in(*LIVE))
        .group_by(*kind)
    )
    found = defaultdict[str, list[Any]](list)
    for row in rows:
        found[row.provider].append(row)
    return {provider: _share(of_provider) for provider, of_provider in found.items()}


def _share(rows: Sequence[Any]) -> _Share:
    lines = sum(row.lines for row in rows)
    return _Share(
        kinds={(row[0], row[1], row[2], row[3]): row.lines for row in rows},
        lines=lines,
        queued=sum(row.queued for row in rows),
        width=sum(row.slots for row in rows) / lines,
    )
