from datetime import timedelta

import pytest

from workers.patience import JITTER, LONGEST_WISH, SCHEDULE, delay_after

EVERY = range(1, len(SCHEDULE) + 1)


@pytest.mark.parametrize("tries", EVERY)
def test_a_delay_is_the_planned_one_give_or_take(tries: int) -> None:
    delays = {delay_after(tries) for _ in range(50)}

    planned = SCHEDULE[tries - 1]
    assert len(delays) > 1
    assert all(delay and planned * (1 - JITTER) <= delay <= planned * (1 + JITTER) for delay in delays)


def test_delays_grow_and_take_a_day_and_a_little_more() -> None:
    assert list(SCHEDULE) == sorted(SCHEDULE)
    assert timedelta(hours=24) <= sum(SCHEDULE, timedelta()) <= timedelta(hours=30)


def test_there_is_no_try_after_the_last() -> None:
    assert delay_after(len(SCHEDULE) + 1) is None
    assert delay_after(len(SCHEDULE) + 1, retry_after=1.0) is None


def test_a_receiver_may_ask_for_more_time_but_not_for_less_nor_for_ever() -> None:
    later, never, sooner = (delay_after(1, retry_after=seconds) for seconds in (600.0, 1e6, 0.0))

    assert (later, never) == (timedelta(minutes=10), LONGEST_WISH)
    assert sooner
    assert sooner >= SCHEDULE[0] * (1 - JITTER)
