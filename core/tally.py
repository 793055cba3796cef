"""Counts the lines of batches as they settle: a piece of the statement that settles them."""

from sqlalchemy import CTE, Update, func, select, update

from core.orm import Batch
from core.states import JobState


def counting(settled: CTE) -> Update:
    """Adds jobs that were just settled to the counts of their batches."""

    def lines(state: JobState) -> object:
        return func.count().filter(settled.c.state == state).label(state)

    sums = (
        select(
            settled.c.batch_id,
            *(lines(state) for state in (JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED)),
        )
        .where(settled.c.batch_id.is_not(None))
        .group_by(settled.c.batch_id)
        .subquery("lines")
    )
    return (
        update(Batch)
        .where(Batch.id == sums.c.batch_id)
        .values(
            completed=Batch.completed + sums.c.completed,
            failed=Batch.failed + sums.c.failed,
            cancelled=Batch.cancelled + sums.c.cancelled,
        )
    )
