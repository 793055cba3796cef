"""Calls a job off, for its owner or an operator: on the ledger first, then whoever waits for it is told."""

from uuid import UUID

from sqlalchemy.orm import Session

from core import images, ledger
from core.database import Database, run
from core.notifier import Notifier


def cancel(database: Database, notifier: Notifier, job_id: UUID) -> bool:
    """Settle a job as cancelled. False where there is none that could be.

    Pictures that have landed stay, and are charged. A provider call under way is finished, its pictures dropped.
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
