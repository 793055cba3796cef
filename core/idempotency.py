"""A caller's own names for requests: for a day, each stands for the job that was made under it first."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.errors import IdempotencyMismatch
from core.orm import IdempotencyKey
from core.submissions import Submission

LIFETIME = timedelta(hours=24)


def take(session: Session, submission: Submission) -> UUID | None:
    """Let a name stand for a job that this transaction is about to record; or the job that it stands for already.

    A second transaction that wants the same name waits for the first one's end. Raises IdempotencyMismatch where
    the name stands for another request.
    """
    row = insert(IdempotencyKey).values(
        key_id=submission.key_id,
        name=submission.idempotency_key,
        fingerprint=submission.fingerprint,
        job_id=submission.job_id,
    )
    taken = row.on_conflict_do_update(
        index_elements=["key_id", "name"],
        set_={
            "fingerprint": row.excluded.fingerprint,
            "job_id": row.excluded.job_id,
            "created_at": func.clock_timestamp(),
        },
        where=IdempotencyKey.created_at < func.clock_timestamp() - LIFETIME,
    ).returning(IdempotencyKey.job_id)
    if session.execute(taken).one_or_none():
        return None
    return standing(
        session, key_id=submission.key_id, name=submission.idempotency_key, fingerprint=submission.fingerprint
    )


def standing(session: Session, *, key_id: UUID, name: str | None, fingerprint: UUID | None) -> UUID | None:
    """The job that a name stands for. Raises IdempotencyMismatch where it is another request's."""
    found = session.execute(
        select(IdempotencyKey.job_id, IdempotencyKey.fingerprint).where(
            IdempotencyKey.key_id == key_id,
            IdempotencyKey.name == name,
            IdempotencyKey.created_at >= func.clock_timestamp() - LIFETIME,
        )
    ).one_or_none()
    if found and found.fingerprint != fingerprint:
        raise IdempotencyMismatch
    return found.job_id if found else None


def forget(session: Session) -> None:
    """Drop the names whose day is over."""
    session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < func.clock_timestamp() - LIFETIME))
