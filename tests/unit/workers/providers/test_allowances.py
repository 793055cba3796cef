"""What a provider says of its own rate limit."""

import time

import pytest
from requests.structures import CaseInsensitiveDict

from workers.providers import allowances

OPENAI = {
    "X-RateLimit-Limit-Requests": "500",
    "x-ratelimit-remaining-requests": "499",
    "x-ratelimit-reset-requests": "120ms",
}
BFL = {"X-Ratelimit-Limit": "1200", "X-Ratelimit-Remaining": "1199", "X-Ratelimit-Reset": "50.5"}


def read(headers: dict[str, str], **changed: str) -> allowances.Told | None:
    """`_` in a changed header's name stands for `-`."""
    return allowances.read(
        CaseInsensitiveDict({**headers, **{name.replace("_", "-"): value for name, value in changed.items()}})
    )


def test_openais_words_and_those_of_who_leaves_requests_out_are_read() -> None:
    openai, bfl = read(OPENAI), read(BFL)

    assert openai
    assert bfl
    assert (openai.most, openai.left, openai.reset_seconds) == (500, 499, 0.12)
    assert (bfl.most, bfl.left, bfl.reset_seconds) == (1200, 1199, 50.5)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1), ("6m0s", 360), ("1h2m3s", 3723), ("8.64s", 8.64), ("1d", 86_400), ("9d", 86_400), ("-3", 0)],
)
def test_a_length_of_time_is_read_in_every_form_and_has_bounds(text: str, seconds: float) -> None:
    told = read(OPENAI, x_ratelimit_reset_requests=text)

    assert told
    assert told.reset_seconds == seconds


def test_a_moment_is_told_by_how_far_off_it_is() -> None:
    told = read(BFL, x_ratelimit_reset=str(time.time() + 30))

    assert told
    assert 28 < told.reset_seconds <= 30


@pytest.mark.parametrize(
    "changed",
    [
        {"x_ratelimit_limit_requests": "many"},
        {"x_ratelimit_limit_requests": "1" * 30},
        {"x_ratelimit_remaining_requests": "501"},
        {"x_ratelimit_remaining_requests": "-1"},
        {"x_ratelimit_reset_requests": "soon"},
        {"x_ratelimit_reset_requests": "1s and more"},
        {"x_ratelimit_reset_requests": "nan"},
        {"x_ratelimit_reset_requests": ""},
    ],
)
def test_what_makes_no_sense_is_not_told(changed: dict[str, str]) -> None:
    assert read(OPENAI, **changed) is None


def test_who_says_nothing_tells_nothing() -> None:
    assert read({}) is None
