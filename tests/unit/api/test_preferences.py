import pytest
from werkzeug.datastructures import Headers

from api import preferences
from api.preferences import Preferences


def read(*values: str) -> Preferences:
    return preferences.read(Headers([("Prefer", value) for value in values]))


@pytest.mark.parametrize(
    ("header", "meant"),
    [
        ("respond-async", Preferences(respond_async=True)),
        ("Respond-Async", Preferences(respond_async=True)),
        ('respond-async=""', Preferences(respond_async=True)),
        ("wait=10", Preferences(wait=10)),
        ("wait=0", Preferences(wait=0)),
        ('WAIT = "10"', Preferences(wait=10)),
        ("wait=10; because=impatient", Preferences(wait=10)),
        ("respond-async, wait=100", Preferences(respond_async=True, wait=100)),
        ('handling=lenient; x="respond-async, wait=1", wait=7', Preferences(wait=7)),
        ("return=minimal,,wait=3,", Preferences(wait=3)),
        ("wait=1, wait=2", Preferences(wait=1)),
    ],
)
def test_a_preference_is_read_as_the_rfc_writes_it(header: str, meant: Preferences) -> None:
    assert read(header) == meant


@pytest.mark.parametrize(
    "header",
    [
        "",
        "wait",
        "wait=",
        "wait=-1",
        "wait=1.5",
        "wait=soon",
        "wait=²",
        "wait=9999999999",
        "respond-async=yes",
        '"',
    ],
)
def test_a_preference_that_makes_no_sense_is_ignored(header: str) -> None:
    assert read(header) == Preferences()


def test_several_headers_are_one_list() -> None:
    assert read("respond-async", "wait=5, wait=6") == Preferences(respond_async=True, wait=5)


@pytest.mark.parametrize(
    ("preferred", "seconds", "applied"),
    [
        (Preferences(), 240.0, ""),
        (Preferences(respond_async=True), 0.0, "respond-async"),
        (Preferences(wait=5), 5.0, "wait=5"),
        (Preferences(wait=500), 240.0, "wait=500"),
        (Preferences(respond_async=True, wait=5), 5.0, "respond-async, wait=5"),
    ],
)
def test_who_prefers_to_wait_less_does(preferred: Preferences, seconds: float, applied: str) -> None:
    assert (preferred.bound(240.0), preferred.applied) == (seconds, applied)
