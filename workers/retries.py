"""Whether a failed attempt is followed by another, and when. Pure: no clock, no ledger."""

from dataclasses import dataclass
from datetime import timedelta
from random import uniform

from core.errors import FailureKind
from core.offers import WhenUnknown

MOST_FAILURES = 5
# A picture that only waits for the store is paid for already: it is worth a few minutes' patience.
MOST_STORE_FAILURES = 10
FIRST_DELAY = timedelta(seconds=1)
LONGEST_DELAY = timedelta(seconds=30)
# Throttling does not use attempts up; a job that would have to wait beyond this age is given up all the same.
MOST_PATIENCE = timedelta(minutes=30)
# A second call after a lost answer may pay twice for one picture: it is made once only, or never.
MOST_UNKNOWN = {WhenUnknown.RETRY: 2, WhenUnknown.FAIL: 1}

PERMANENT = frozenset(
    {FailureKind.REJECTED, FailureKind.MODERATED, FailureKind.MISCONFIGURED, FailureKind.INTERNAL}
)


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again after `delay`; `counts` says whether an attempt was used up."""

    delay: timedelta
    counts: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Where a job stands: attempts used up (`failures`), calls whose outcome is `unknown`, its `age`.

    `when_unknown` is its provider's policy.
    """

    failures: int
    unknown: int
    age: timedelta
    when_unknown: WhenUnknown = WhenUnknown.RETRY


def before_call(situation: Situation) -> FailureKind | None:
    """Why no provider call may be made any more, or None where it may.

    Workers that die leave no word behind, so a new attempt looks at what it found.
    """
    if situation.unknown >= MOST_UNKNOWN[situation.when_unknown]:
        return FailureKind.UNKNOWN
    return FailureKind.LOST if situation.failures >= MOST_FAILURES else None


def after_failure(
    kind: FailureKind, situation: Situation, *, retry_after: timedelta | None = None
) -> Retry | None:
    """None where the job has to be settled as failed. `situation` does not count this failure yet."""
    if kind in PERMANENT:
        return None
    if kind is FailureKind.THROTTLED:
        delay = retry_after or _back_off(situation.failures + 2)
        return Retry(delay, counts=False) if situation.age + delay <= MOST_PATIENCE else None
    most = MOST_STORE_FAILURES if kind is FailureKind.STORE else MOST_FAILURES
    lost_an_answer = kind is FailureKind.UNKNOWN and situation.unknown + 1 >= MOST_UNKNOWN[situation.when_unknown]
    if lost_an_answer or situation.failures + 1 >= most:
        return None
    return Retry(_back_off(situation.failures), counts=True)


def _back_off(failures: int) -> timedelta:
    """Doubling, with jitter so that what failed together does not come back together."""
    doubled: timedelta = min(FIRST_DELAY * 2**failures, LONGEST_DELAY)
    return doubled * uniform(0.75, 1.25)  # noqa: S311 - no secret
