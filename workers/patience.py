"""How often an event is told to a receiver that does not take it, and when. Pure: no clock, no ledger."""

from collections.abc import Sequence
from datetime import timedelta
from random import uniform

# What follows the first try: a little over a day in all.
SCHEDULE = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=8),
    timedelta(hours=10),
)
JITTER = 0.2
# A receiver that asks to be left alone for longer is tried all the same.
LONGEST_WISH = timedelta(hours=6)


def delay_after(
    tries: int, *, retry_after: float | None = None, schedule: Sequence[timedelta] = SCHEDULE
) -> timedelta | None:
    """How long to wait after so many tries; None where there is no other.

    `retry_after` is the receiver's wish, in seconds. What failed together does not come back together.
    """
    if tries > len(schedule):
        return None
    planned: timedelta = schedule[tries - 1] * uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
    return max(planned, min(timedelta(seconds=retry_after or 0), LONGEST_WISH))
