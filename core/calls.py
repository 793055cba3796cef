"""Provider calls on the ledger: written before the money may be spent, closed with what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import Integer, Interval, Text, Uuid, bindparam, func, insert, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from core.database import run
from core.errors import Failure
from core.ledger import Claim
from core.orm import Job, ProviderCall, table_of
from core.statements import Given, Step, fixed
from core.states import CallOutcome, JobState

_CALLS = table_of(ProviderCall)
_PICTURES = Job.request["n"].as_integer()
_ALL_POSITIONS = func.array(select(func.generate_series(0, _PICTURES - 1)).correlate(Job).scalar_subquery())
_OPEN = fixed(
    insert(_CALLS)
    .values(
        {
            column: Given(column, _CALLS.c[column].type)
            for column in ("job_id", "attempt", "provider", "upstream_model", "positions")
        }
    )
    .returning(_CALLS.c.id)
)


_OPEN_FIRST = fixed(
    insert(_CALLS)
    .from_select(
        ["job_id", "attempt", "provider", "upstream_model", "positions"],
        select(Job.id, Job.attempt, Job.provider, Job.upstream_model, _ALL_POSITIONS).where(
            Job.id == Given("job_id", Uuid()),
            Job.state_in(JobState.RUNNING),
            Job.worker == Given("claimant", Text()),
            Job.attempt == 1,
            Given("pictures_per_call", Integer()) >= _PICTURES,
            # A message that came twice meets the claim of its first here.
            ~select(_CALLS.c.id).where(_CALLS.c.job_id == Job.id).exists(),
        ),
    )
    .returning(_CALLS.c.id)
)


@dataclass(frozen=True, slots=True)
class AcceptedCall:
    """A call that the provider is at work on, whoever made it: to be asked after, never made again."""

    id: UUID
    positions: list[int]
    handle: dict[str, Any]


def open_call(session: Session, claim: Claim, *, positions: Sequence[int]) -> UUID:
    """Put a call for the pictures of these positions on record, as sent."""
    row = {
        "job_id": claim.job_id,
        "attempt": claim.attempt,
        "provider": claim.provider,
        "upstream_model": claim.upstream_model,
        "positions": list(positions),
    }
    [opened] = run(session, Step(_OPEN, row))
    call_id: UUID = opened.id
    return call_id


def opening_first(job_id: UUID, worker: str, *, pictures_per_call: int) -> Step:
    """Puts the usual call on record: the first of the attempt that was just begun, for all of its pictures.

    Yields its id; nothing where it takes more than one call, or there is a history to be looked at first.
    """
    return Step(_OPEN_FIRST, {"job_id": job_id, "claimant": worker, "pictures_per_call": pictures_per_call})


def accept_call(session: Session, call_id: UUID, handle: Mapping[str, Any]) -> None:
    """Record how to ask after a call; to be committed before it is asked after."""
    session.execute(
        update(_CALLS)
        .where(_CALLS.c.id == call_id, _CALLS.c.outcome.in_((CallOutcome.SENT, CallOutcome.ACCEPTED)))
        .values(
            outcome=CallOutcome.ACCEPTED,
            handle=dict(handle),
            accepted_at=func.coalesce(_CALLS.c.accepted_at, func.clock_timestamp()),
        )
    )


def accepted(session: Session, claim: Claim) -> list[AcceptedCall]:
    """The calls of a job that its provider is at work on."""
    rows = session.execute(
        select(_CALLS.c.id, _CALLS.c.positions, _CALLS.c.handle).where(
            _CALLS.c.job_id == claim.job_id,
            _CALLS.c.provider == claim.provider,
            _CALLS.c.outcome == CallOutcome.ACCEPTED,
        )
    )
    return [AcceptedCall(row.id, row.positions, row.handle) for row in rows]


_CLOSE = fixed(
    update(_CALLS)
    .where(_CALLS.c.id == Given("call_id", Uuid()))
    .values(
        outcome=Given("became", Text()),
        ended_at=func.clock_timestamp(),
        error=Given("failure", JSONB()),
        polls=Given("polls", Integer()),
        arrived_at=func.clock_timestamp() - Given("since_arrival", Interval()),
    )
)


def closing(
    call_id: UUID,
    outcome: CallOutcome,
    failure: Failure | None = None,
    *,
    polls: int = 0,
    since_arrival: timedelta | None = None,
) -> Step:
    """Records what became of a call. One that was given up as unknown meanwhile learns the truth after all.

    `since_arrival` is how long its pictures have been in hand, where there are any.
    """
    given = {
        "call_id": call_id,
        "became": outcome.value,
        "failure": Jsonb(failure.to_json()) if failure else None,
        "polls": polls,
        "since_arrival": since_arrival,
    }
    return Step(_CLOSE, given)


def give_up_sent_calls(session: Session, job_id: UUID) -> None:
    """Record as unknown what a lost worker had sent and no handle leads to: the provider may have charged."""
    session.execute(_GIVE_UP.where(_CALLS.c.outcome == CallOutcome.SENT), {"of_job": job_id})


def give_up_calls(session: Session, job_id: UUID) -> None:
    """Record as unknown all calls of a job that have not ended."""
    session.execute(_GIVE_UP, {"of_job": job_id})


_GIVE_UP = (
    update(_CALLS)
    .where(
        _CALLS.c.job_id == bindparam("of_job"),
        _CALLS.c.outcome.in_((CallOutcome.SENT, CallOutcome.ACCEPTED)),
    )
    .values(outcome=CallOutcome.UNKNOWN, ended_at=func.clock_timestamp())
)


def unknown(session: Session, job_id: UUID) -> int:
    """How many of a job's calls may have been charged without our having seen a picture."""
    return (
        session.scalar(
            select(func.count()).where(ProviderCall.job_id == job_id, ProviderCall.outcome == CallOutcome.UNKNOWN)
        )
        or 0
    )


def of_job(session: Session, job_id: UUID) -> list[ProviderCall]:
    """A job's calls, oldest first."""
    return list(
        session.scalars(select(ProviderCall).where(ProviderCall.job_id == job_id).order_by(ProviderCall.id))
    )
