from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from api.dashboard import wording


@pytest.mark.parametrize(
    ("length", "reads"),
    [
        (None, wording.NOTHING),
        (0, "0 ms"),
        (0.34, "340 ms"),
        (12.34, "12.3 s"),
        (59.96, "60.0 s"),
        (250, "4 m 10 s"),
        (3600, "1 h"),
        (12_000, "3 h 20 m"),
        (187_200, "2 d 4 h"),
    ],
)
def test_a_length_of_time_is_as_short_as_it_stays_telling(length: float | None, reads: str) -> None:
    assert wording.seconds(length) == reads


@pytest.mark.parametrize(
    ("amount", "reads"),
    [
        ("0", "$0.00"),
        ("0.1", "$0.10"),
        ("0.016", "$0.016"),
        ("0.0123456", "$0.0123"),
        ("1234.5678", "$1,234.57"),
        ("-0.5", "-$0.50"),
    ],
)
def test_dollars_have_as_many_digits_as_it_takes(amount: str, reads: str) -> None:
    assert wording.dollars(Decimal(amount)) == reads


@pytest.mark.parametrize(
    ("name", "value", "reads"),
    [
        ("bytes", 152_907, "153 kB"),
        ("picture", 0, "picture 1"),
        ("polls", 3, "polls 3"),
        ("upstream_model", "<b>", "upstream model &lt;b&gt;"),
    ],
)
def test_what_else_is_known_of_a_step_reads_as_people_say_it(name: str, value: object, reads: str) -> None:
    assert wording.fact(value, name) == reads


def test_what_is_to_be_typed_is_set_apart_and_markup_stays_text() -> None:
    assert wording.coded("Start `darkroom <x>`, then wait.") == "Start <code>darkroom &lt;x&gt;</code>, then wait."


def test_a_count_that_was_capped_says_so() -> None:
    assert [wording.count(number) for number in (None, 9_999, 10_000, 10_001)] == [
        wording.NOTHING,
        "9,999",
        "10k+",
        "10k+",
    ]


def test_a_count_says_where_there_may_be_more() -> None:
    assert [wording.count(number, more=True) for number in (12, 10_000)] == ["12+", "10k+"]


def test_the_time_of_day_is_that_of_utc_wherever_the_database_is() -> None:
    at = datetime(2026, 11, 24, 1, 30, 15, 250_000, tzinfo=timezone(timedelta(hours=2)))

    told = str(wording.clock(at))

    assert 'title="2026-11-23 UTC"' in told
    assert ">23:30:15.250<" in told


def test_a_share_is_told_in_percent() -> None:
    assert (wording.share(0.994), wording.share(None)) == ("99.4 %", wording.NOTHING)


@pytest.mark.parametrize(
    ("distance", "reads"), [(-90, "1 m ago"), (-0.2, "1 s ago"), (7250, "in 2 h"), (-172_801, "2 d ago")]
)
def test_a_moment_is_told_in_both_ways(distance: float, reads: str) -> None:
    at = datetime.now(UTC) + timedelta(seconds=distance)

    told = wording.moment(at)

    assert f">{reads}<" in told
    assert f"{at:%Y-%m-%d %H:%M:%S}" in told


def test_names_are_no_markup() -> None:
    name = '"><script>'

    assert "<script>" not in wording.state(name)
    assert "<script>" not in wording.state("failed", name)
    assert "<script>" not in wording.short(name)


def test_json_reads_as_it_was_written() -> None:
    text = "Gr\N{LATIN SMALL LETTER U WITH DIAERESIS}n & <b>"

    assert wording.pretty({"prompt": text}) == f'{{\n  "prompt": "{text}"\n}}'
