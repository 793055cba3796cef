"""Counts the lines of batches, and what they came to: a piece of the statement that settles them."""

from sqlalchemy import CTE, Update, func, select, update

from core.orm import Batch
from core.states import JobState


def counting(settled: CTE) -> Update:
    """Adds jobs that were just settled to the counts of their batches."""

    def lines(state: JobState) -> object:
        return func.count().filter(settled.c.state == state).label(state)

    counts = [lines(state) for state in (JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED)]
    sums = (
        select(settled.c.batch_id, *counts, *[func.sum(settled.c.charged).label("charged")])
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
            charged=Batch.charged + sums.c.charged,
        )
    )
