"""Calls a job off, for its owner or an operator: on the ledger first, then whoever waits for it is told."""

from uuid import UUID

from sqlalchemy import null, update
from sqlalchemy.orm import Session

from core import images, ledger
from core.database import Database, run
from core.ledger import Claim
from core.notifier import Notifier
from core.orm import Job
from core.states import JobState


def cancel(database: Database, notifier: Notifier, job_id: UUID) -> bool:
    """Settle a job as cancelled. False where there is none that could be.

    Pictures that have landed stay, and are charged. A provider call under way is finished, its pictures dropped;
    until then it takes its slot.
    """
    with database.transaction() as session:
        if not settle(session, job_id):
            return False
    notifier.announce(job_id)
    return True


def settle(session: Session, job_id: UUID) -> bool:
    """The same, as part of a transaction; once it is committed, whoever waits wants to be told."""
    if not ledger.cancel(session, job_id):
        return False
    run(session, images.letting_go(job_id))
    return True


def let_go(session: Session, claim: Claim) -> bool:
    """Give back the slots of a job that was cancelled, now that its calls have ended. False where it was not."""
    mine = (Job.id == claim.job_id, Job.attempt == claim.attempt)
    holding = (Job.state_in(JobState.CANCELLED), Job.granted.is_not(None))
    freed = update(Job).where(*mine, *holding).values(granted=null()).returning(Job.id)
    return session.execute(freed).one_or_none() is not None
