"""Provider calls on the ledger: written before the money may be spent, closed with what became of it."""

from uuid import UUID

from sqlalchemy import bindparam, func, insert, null, select, update
from sqlalchemy.orm import Session

from core.errors import Failure
from core.ledger import Claim
from core.orm import ProviderCall, table_of
from core.states import CallOutcome

_CALLS = table_of(ProviderCall)
_OPEN = insert(_CALLS).returning(_CALLS.c.id)


def open_call(session: Session, claim: Claim, *, pictures: int) -> UUID:
    """Put a call for so many pictures on record, as sent."""
    row = {
        "job_id": claim.job_id,
        "attempt": claim.attempt,
        "provider": claim.provider,
        "upstream_model": claim.upstream_model,
        "pictures": pictures,
    }
    call_id: UUID = session.execute(_OPEN, row).scalar_one()
    return call_id


_CLOSE = (
    update(_CALLS)
    .where(_CALLS.c.id == bindparam("call_id"))
    .values(outcome=bindparam("became"), ended_at=func.clock_timestamp(), error=bindparam("failure"))
)


def close_call(session: Session, call_id: UUID, outcome: CallOutcome, failure: Failure | None = None) -> None:
    """Record what became of a call. One that was given up as unknown meanwhile learns the truth after all."""
    error = failure.to_json() if failure else null()
    session.execute(_CLOSE, {"call_id": call_id, "became": outcome, "failure": error})


def give_up_open_calls(session: Session, job_id: UUID) -> None:
    """Record as unknown what a lost worker had sent: the provider may have charged."""
    session.execute(
        update(_CALLS)
        .where(_CALLS.c.job_id == job_id, _CALLS.c.outcome == CallOutcome.SENT)
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
