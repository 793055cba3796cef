"""Every move of a job, one function an arrow. Functions take a session and never commit."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import (
    ARRAY,
    CTE,
    ColumnElement,
    Integer,
    Interval,
    Select,
    Text,
    Uuid,
    any_,
    case,
    func,
    insert,
    literal,
    null,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from core import money, outbox, tally
from core.database import run
from core.errors import Failure
from core.generation import GenerationRequest
from core.logs import Named
from core.orm import Closed, Job, JobEvent
from core.statements import Given, Step, fixed
from core.states import MOVES, SETTLED, Event, JobState

# A worker that was not heard of for this long has lost its jobs; it says so four times in that time.
LEASE = timedelta(seconds=12)
# A message that no worker claimed for this long is taken for lost.
DELIVERY = timedelta(seconds=8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One attempt at a job, by the worker that holds its lease. `attempt` is the fencing token."""

    job_id: UUID
    attempt: int
    failures: int
    created_at: datetime
    claimed_at: datetime
    provider: str
    upstream_model: str
    request_id: str
    request: GenerationRequest
    slots: int
    batch_id: str | None


def events_of(changed: CTE, event: Event, detail: ColumnElement[Any] | None = None) -> CTE:
    """The event rows of the job rows that a statement changed, written by that same statement."""
    row = select(
        changed.c.id,
        literal(event, Closed(Event)),
        changed.c.attempt,
        changed.c.worker,
        null() if detail is None else detail,
    )
    return insert(JobEvent).from_select(["job_id", "event", "attempt", "worker", "detail"], row).cte("logged")


def move(
    event: Event,
    *where: ColumnElement[bool],
    detail: ColumnElement[Any] | None = None,
    yields: Sequence[str] = ("id",),
    **values: Any,
) -> Select[Any]:
    """The guarded UPDATE of one arrow with its event, and all that settling entails; yields columns of what moved.

    For this module, and for those whose arrows have rules of their own: admission, failover.
    """
    sources, target = MOVES[event]
    if target in SETTLED:
        values |= {"lease_until": None, "settled_at": func.clock_timestamp(), "charged": money.charge()}
    if event is Event.CANCELLED:  # the calls of a worker go on, in the slots that they have: cancellation.let_go
        values |= {"granted": case((Job.state_in(JobState.RUNNING), func.coalesce(Job.granted, Job.slots)))}
    moved = (
        update(Job)
        .where(Job.state_in(*sources), *where)
        .values(state=target, **values)
        .returning(*Job.__table__.columns)
        .cte("moved")
    )
    written = [events_of(moved, event, detail)]
    if target in SETTLED:
        budgets, postings = money.settlement(moved)
        written += [budgets.cte("budgeted"), postings.cte("posted")]
        written += [tally.counting(moved).cte("tallied"), outbox.owing(moved).cte("owed")]
    return select(*(moved.c[name] for name in yields)).add_cte(*written)


_THIS = Job.id == Given("job_id", Uuid())
_CLAIM = fixed(
    move(
        Event.CLAIMED,
        _THIS,
        attempt=Job.attempt + 1,
        yields=(
            *(
                "id",
                "attempt",
                "failures",
                "created_at",
                "lease_until",
                "provider",
                "upstream_model",
                "request_id",
            ),
            *("request", "slots", "granted", "batch_id"),
        ),
        worker=Given("claimant", Text()),
        lease_until=func.clock_timestamp() + LEASE,
    )
)


def claiming(job_id: UUID, worker: str) -> Step:
    """Starts an attempt; yields what `claim_of` reads."""
    return Step(_CLAIM, {"job_id": job_id, "claimant": worker})


def claim_of(rows: Sequence[Any]) -> Claim | None:
    """None where there was nothing to start: a message delivered twice, a cancelled job."""
    if not rows:
        return None
    [row] = rows
    return Claim(
        job_id=row.id,
        attempt=row.attempt,
        failures=row.failures,
        created_at=row.created_at,
        claimed_at=row.lease_until - LEASE,
        provider=row.provider,
        upstream_model=row.upstream_model,
        request_id=row.request_id,
        request=GenerationRequest.from_json(row.request),
        slots=row.granted or row.slots,  # the release before wrote down no grants
        batch_id=row.batch_id,
    )


# Only the newest attempt may move its job on: a worker that comes late changes nothing.
_MINE = (_THIS, Job.attempt == Given("fence", Integer()))
_HOLD = fixed(select(Job.id).where(*_MINE, Job.state_in(JobState.RUNNING)).with_for_update(read=True))
_SUCCEED = fixed(move(Event.COMPLETED, *_MINE))


def _of(claim: Claim, **values: Any) -> dict[str, Any]:
    return {"job_id": claim.job_id, "fence": claim.attempt, **values}


def holding(claim: Claim) -> Step:
    """Yields a row where the claim is still the newest and the job still runs; so it stays until the commit."""
    return Step(_HOLD, _of(claim))


def holds(session: Session, claim: Claim) -> bool:
    """Whether `holding` yields one."""
    return bool(run(session, holding(claim)))


_STANDS = fixed(select(Job.id).where(*_MINE, Job.state_in(JobState.RUNNING, JobState.CANCELLED)))


def stands(session: Session, claim: Claim) -> bool:
    """Whether nobody else has taken the job up since, though it may have been cancelled."""
    return bool(run(session, Step(_STANDS, _of(claim))))


def succeeding(claim: Claim) -> Step:
    """Settles as completed; yields nothing where the claim is no longer the newest, or the job was cancelled.

    After its pictures are recorded: they are what it costs.
    """
    return Step(_SUCCEED, _of(claim))


_FAILURE = Given("failure", JSONB())
_FAIL = fixed(move(Event.FAILED, *_MINE, detail=_FAILURE, error=_FAILURE))


def fail(session: Session, claim: Claim, failure: Failure) -> bool:
    """Settle as failed. False where the claim is no longer the newest, or the job was cancelled."""
    return bool(run(session, Step(_FAIL, _of(claim, failure=Jsonb(failure.to_json())))))


_RETRY_LATER = fixed(
    move(
        Event.RETRIED,
        *_MINE,
        detail=_FAILURE,
        lease_until=None,
        run_after=func.clock_timestamp() + Given("delay", Interval()),
        failures=Job.failures + Given("used_up", Integer()),
    )
)


def retry_later(session: Session, claim: Claim, failure: Failure, *, delay: timedelta, counts: bool) -> bool:
    """Queue the job again, due after `delay`. False as in `fail`."""
    given = _of(claim, failure=Jsonb(failure.to_json()), delay=delay, used_up=int(counts))
    return bool(run(session, Step(_RETRY_LATER, given)))


_EXTEND = fixed(
    update(Job)
    .where(
        Job.id == any_(Given("job_ids", ARRAY(Uuid))),
        Job.state_in(JobState.RUNNING),
        Job.worker == Given("holder", Text()),
    )
    .values(lease_until=func.clock_timestamp() + LEASE)
)


def extend_leases(session: Session, worker: str, job_ids: Collection[UUID]) -> None:
    """Say that a worker is at work on these jobs."""
    run(session, Step(_EXTEND, {"holder": worker, "job_ids": list(job_ids)}))


_HAND_OVER = fixed(move(Event.HANDED_OVER, *_MINE, lease_until=None, run_after=func.clock_timestamp()))


def hand_over(session: Session, claim: Claim) -> bool:
    """Queue again, due at once, what another worker can go on with; no attempt is used up. False as in `fail`."""
    return bool(run(session, Step(_HAND_OVER, _of(claim))))


_ABANDON = fixed(
    update(Job)
    .where(Job.state_in(JobState.RUNNING), Job.worker == Given("holder", Text()))
    .values(lease_until=func.clock_timestamp())
    .returning(*(Job.__table__.c[name] for name in Named._fields))
)


def abandon(session: Session, worker: str) -> list[Named]:
    """Give up all leases of a worker that ends in the middle of its calls: its jobs are rescued at once."""
    return [Named(*row) for row in run(session, Step(_ABANDON, {"holder": worker}))]


_RESCUE = fixed(
    move(
        Event.RESCUED,
        Job.lease_until < func.clock_timestamp(),
        yields=Named._fields,
        lease_until=None,
        run_after=func.clock_timestamp(),
        failures=Job.failures + 1,
    )
)


def rescue(session: Session) -> list[Named]:
    """Queue again every running job whose worker was not heard of for LEASE; an attempt is used up."""
    return [Named(*row) for row in run(session, Step(_RESCUE, {}))]


_TAKE_BACK = fixed(
    move(
        Event.MESSAGE_LOST,
        Job.provider == Given("of_provider", Text()),
        Job.dispatched_at < func.clock_timestamp() - DELIVERY,
        yields=Named._fields,
        dispatched_at=None,
    )
)


def take_back_undelivered(session: Session, provider: str) -> list[Named]:
    """Queue again a provider's dispatched jobs that no worker claimed within DELIVERY.

    Only for when the broker holds no message of the provider any more, or messages would pile up there.
    """
    return [Named(*row) for row in run(session, Step(_TAKE_BACK, {"of_provider": provider}))]


_HALT = fixed(select(Job.id).where(_THIS).with_for_update(key_share=True))
_CANCEL = fixed(move(Event.CANCELLED, _THIS))


def cancel(session: Session, job_id: UUID) -> bool:
    """Settle as cancelled: pictures that have landed are charged, those of a call under way will be dropped."""
    # A worker may just be recording one: a statement that began before its commit would not count it.
    run(session, Step(_HALT, {"job_id": job_id}))
    return bool(run(session, Step(_CANCEL, {"job_id": job_id})))
