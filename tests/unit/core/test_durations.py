"""Quantiles of what was counted in buckets."""

import pytest

from core.history import BUCKETS, Quantiles, quantile


def counts(**in_bucket: int) -> list[int]:
    """By the upper bound of the bucket, in seconds: s5=3; `over` is beyond the last."""
    found = [0] * (len(BUCKETS) + 1)
    for name, number in in_bucket.items():
        found[-1 if name == "over" else BUCKETS.index(float(name[1:]))] = number
    return found


@pytest.mark.parametrize(
    ("counted", "share", "seconds"),
    [
        (counts(s10=1), 1.0, 10.0),
        (counts(s10=2), 0.5, 7.5),
        (counts(s10=100), 0.95, 9.75),
        (counts(s5=5, s10=5), 0.5, 5.0),
        (counts(s5=95, s60=5), 0.95, 5.0),
        (counts(s5=90, s60=10), 0.95, 45.0),
        (counts(over=3), 0.5, BUCKETS[-1]),
        (counts(s5=1), 0.0, 2.5),
    ],
)
def test_a_quantile_lies_evenly_within_its_bucket(counted: list[int], share: float, seconds: float) -> None:
    assert quantile(counted, share) == pytest.approx(seconds)


def test_nothing_has_no_quantiles() -> None:
    assert quantile([], 0.5) is None
    assert Quantiles.of(counts()) is None


def test_quantiles_say_of_how_many_they_are() -> None:
    assert Quantiles.of(counts(s10=2)) == Quantiles(p50=7.5, p95=9.75, count=2)
