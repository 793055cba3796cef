"""When a clock is held to go wrong."""

from datetime import UTC, datetime, timedelta

import pytest

from workers.doctor import clocks
from workers.doctor.findings import Verdict

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ahead", "verdict"),
    [
        (0.0, Verdict.OK),
        (-1.9, Verdict.OK),
        (3.0, Verdict.WARNING),
        (-3.0, Verdict.WARNING),
        (90.0, Verdict.BROKEN),
    ],
)
def test_a_clock_is_judged_by_how_far_it_is_off(ahead: float, verdict: Verdict) -> None:
    (found,) = clocks.check("redis", NOON + timedelta(seconds=ahead), NOON, NOON)

    assert found.verdict is verdict
    assert f"{ahead:+.1f} s" in found.says


def test_what_an_answer_took_on_its_way_is_not_held_against_a_clock() -> None:
    (found,) = clocks.check("store", NOON + timedelta(seconds=5), NOON, NOON + timedelta(seconds=4))

    assert found.verdict is Verdict.OK
