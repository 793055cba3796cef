from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from requests.structures import CaseInsensitiveDict

from workers.providers.http import LONGEST_PAUSE, Answer, legible


def answer(**headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(429, CaseInsensitiveDict(named), b"")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry_after": "17"}, 17.0),
        ({"retry_after": "0.5"}, 0.5),
        ({"retry_after": "1", "retry_after_ms": "240"}, 0.24),
        ({"retry_after": "1", "retry_after_ms": "soon"}, 1.0),
        ({"retry_after": "-5"}, 0.0),
        ({"retry_after": "1e300"}, LONGEST_PAUSE),
        ({"retry_after": "inf"}, None),
        ({"retry_after": "nan"}, None),
        ({"retry_after": ""}, None),
        ({"retry_after": "Sat, 32 Foo 9999999 25:61:61 GMT"}, None),
        ({"retry_after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"retry_after": "Thu, 01 Jan 1970 00:00:00 -0000"}, 0.0),
    ],
)
def test_a_pause_in_any_form_is_a_number_of_seconds_or_none(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert answer(**headers).retry_after == seconds


def test_a_pause_until_a_moment_is_counted_from_now() -> None:
    moment = datetime.now(UTC) + timedelta(seconds=100)

    seconds = answer(retry_after=format_datetime(moment, usegmt=True)).retry_after

    assert seconds == pytest.approx(100, abs=5)


@pytest.mark.parametrize(
    ("word", "kept"),
    [
        ("plain, and naïve", "plain, and naïve"),
        ("a\0b", "a�b"),
        ("half \ud83d", "half ?"),
        (None, "None"),
        ([1], "[1]"),
    ],
)
def test_what_a_provider_says_is_kept_as_far_as_the_ledger_can(word: object, kept: str) -> None:
    assert legible(word) == kept


def test_a_flood_of_words_is_cut() -> None:
    assert legible("x" * 1_000_000, most=10) == "x" * 10
