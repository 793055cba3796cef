from datetime import timedelta

import pytest

from core.errors import FailureKind
from core.offers import WhenUnknown
from workers.retries import (
    FIRST_DELAY,
    LONGEST_DELAY,
    MOST_FAILURES,
    MOST_PATIENCE,
    MOST_STORE_FAILURES,
    MOST_UNKNOWN,
    PERMANENT,
    Retry,
    Situation,
    after_failure,
    before_call,
)

SOON = timedelta(seconds=3)
JITTER = 0.25
TWICE = MOST_UNKNOWN[WhenUnknown.RETRY]


def situation(*, failures: int = 0, unknown: int = 0, age: timedelta = SOON) -> Situation:
    return Situation(failures=failures, unknown=unknown, age=age)


@pytest.mark.parametrize("kind", sorted(PERMANENT))
def test_what_no_repetition_mends_is_never_tried_again(kind: FailureKind) -> None:
    assert after_failure(kind, situation()) is None
    assert after_failure(kind, situation(), retry_after=SOON) is None


@pytest.mark.parametrize("kind", sorted(set(FailureKind) - PERMANENT))
def test_everything_else_is_tried_again_at_first(kind: FailureKind) -> None:
    retry = after_failure(kind, situation())

    assert retry is not None
    assert retry.counts is (kind is not FailureKind.THROTTLED)


@pytest.mark.parametrize(
    ("kind", "most"),
    [
        (FailureKind.UNAVAILABLE, MOST_FAILURES),
        (FailureKind.LOST, MOST_FAILURES),
        (FailureKind.UNKNOWN, MOST_FAILURES),
        (FailureKind.STORE, MOST_STORE_FAILURES),
    ],
)
def test_the_last_attempt_is_followed_by_none(kind: FailureKind, most: int) -> None:
    assert after_failure(kind, situation(failures=most - 2)) is not None
    assert after_failure(kind, situation(failures=most - 1)) is None


def test_a_picture_that_only_waits_for_the_store_is_given_more_attempts() -> None:
    worn_out = situation(failures=MOST_FAILURES)

    assert after_failure(FailureKind.STORE, worn_out) is not None
    assert after_failure(FailureKind.UNAVAILABLE, worn_out) is None


def test_throttling_waits_as_long_as_told_and_uses_no_attempt_up() -> None:
    worn_out = situation(failures=MOST_FAILURES - 1)

    retry = after_failure(FailureKind.THROTTLED, worn_out, retry_after=SOON)

    assert retry == Retry(SOON, counts=False)


@pytest.mark.parametrize("told", [None, timedelta(0)])
def test_throttling_that_names_no_time_is_waited_out_for_longer_than_a_failure(told: timedelta | None) -> None:
    retry = after_failure(FailureKind.THROTTLED, situation(), retry_after=told)

    assert retry is not None
    assert FIRST_DELAY * 4 * (1 - JITTER) <= retry.delay <= FIRST_DELAY * 4 * (1 + JITTER)


def test_throttling_beyond_all_patience_gives_the_job_up_at_once() -> None:
    hours = MOST_PATIENCE + timedelta(seconds=1)

    assert after_failure(FailureKind.THROTTLED, situation(age=hours)) is None
    assert after_failure(FailureKind.THROTTLED, situation(), retry_after=hours) is None
    assert after_failure(FailureKind.THROTTLED, situation(), retry_after=hours / 2) is not None


def test_a_lost_answer_is_asked_for_once_more_only() -> None:
    assert after_failure(FailureKind.UNKNOWN, situation(unknown=TWICE - 2)) is not None
    assert after_failure(FailureKind.UNKNOWN, situation(unknown=TWICE - 1)) is None


@pytest.mark.parametrize("failures", range(MOST_STORE_FAILURES - 1))
def test_back_off_doubles_up_to_its_bound_give_or_take_the_jitter(failures: int) -> None:
    expected = min(FIRST_DELAY * 2**failures, LONGEST_DELAY)

    delays = [
        retry.delay
        for _ in range(200)
        if (retry := after_failure(FailureKind.STORE, situation(failures=failures)))
    ]

    assert len(set(delays)) > 100
    assert expected * (1 - JITTER) <= min(delays)
    assert max(delays) <= expected * (1 + JITTER)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (situation(), None),
        (situation(failures=MOST_FAILURES - 1, unknown=TWICE - 1), None),
        (situation(failures=MOST_FAILURES), FailureKind.LOST),
        (situation(unknown=TWICE), FailureKind.UNKNOWN),
        (situation(failures=MOST_FAILURES, unknown=TWICE), FailureKind.UNKNOWN),
    ],
)
def test_no_call_is_made_once_attempts_or_doubtful_money_are_used_up(
    found: Situation, verdict: FailureKind | None
) -> None:
    assert before_call(found) is verdict


def test_a_provider_with_policy_fail_is_never_called_twice_for_one_picture() -> None:
    once = Situation(failures=0, unknown=0, age=SOON, when_unknown=WhenUnknown.FAIL)
    lost = Situation(failures=1, unknown=1, age=SOON, when_unknown=WhenUnknown.FAIL)

    assert after_failure(FailureKind.UNKNOWN, once) is None
    assert before_call(lost) is FailureKind.UNKNOWN
