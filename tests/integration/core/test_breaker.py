"""What is remembered of a provider's troubles."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from core import breaker
from core.bootstrap import Services
from core.errors import FailureKind
from core.orm import Provider
from core.states import ProviderEventKind
from tests import builders

SOON = timedelta(seconds=20)


@pytest.fixture(autouse=True)
def _registered(services: Services) -> None:
    builders.register(services)


def fail(services: Services, times: int = breaker.MOST_FAILURES) -> None:
    for _ in range(times):
        with services.database.transaction() as session:
            breaker.report_failure(session, "openai", FailureKind.UNAVAILABLE)


def pause(services: Services, duration: timedelta = SOON) -> None:
    with services.database.transaction() as session:
        breaker.pause(session, "openai", duration)


def told(services: Services, most: int = 50) -> list[tuple[ProviderEventKind, dict[str, Any] | None]]:
    with services.database.transaction() as session:
        return [(event.event, event.detail) for event in breaker.history(session, most).get("openai", [])]


def rest_is_over(services: Services) -> None:
    with services.database.transaction() as session:
        row = session.get_one(Provider, "openai")
        row.open_until = row.open_until and row.open_until - breaker.LONGEST_REST
        row.paused_until = row.paused_until and row.paused_until - SOON


def test_being_taken_out_is_told_with_the_cause_and_the_length(services: Services) -> None:
    fail(services, 2)
    assert told(services) == []

    fail(services, 5)  # what was under way then tells nothing new

    assert told(services) == [(ProviderEventKind.TAKEN_OUT, {"failures": 3, "seconds": 15, "kind": "unavailable"})]


def test_each_try_that_fails_and_the_one_that_does_not_are_told_the_last_first(services: Services) -> None:
    fail(services)
    rest_is_over(services)
    fail(services, 1)
    rest_is_over(services)

    with services.database.transaction() as session:
        assert breaker.report_success(session, "openai")

    back, again, first = told(services)
    assert back == (ProviderEventKind.BACK, None)
    assert (again[1] or {})["seconds"] == 30
    assert (first[1] or {})["seconds"] == 15
    assert told(services, 1) == [back]


def test_a_single_failure_that_is_made_good_is_no_event(services: Services) -> None:
    fail(services, 1)

    with services.database.transaction() as session:
        assert breaker.report_success(session, "openai")
        assert not breaker.report_success(session, "openai")

    assert told(services) == []


def test_a_wish_to_be_left_alone_is_told_once_for_all_calls_that_hear_it(services: Services) -> None:
    for _ in range(5):
        pause(services)
    assert told(services) == [(ProviderEventKind.THROTTLED, {"seconds": 20})]

    rest_is_over(services)
    pause(services, timedelta(seconds=2.5))

    assert told(services)[0] == (ProviderEventKind.THROTTLED, {"seconds": 2.5})


def test_a_longer_wish_is_told_anew_and_one_of_our_own_is_not(services: Services) -> None:
    with services.database.transaction() as session:
        breaker.pause(session, "openai", timedelta(seconds=5), asked=False)
    assert told(services) == []

    pause(services)

    assert told(services) == [(ProviderEventKind.THROTTLED, {"seconds": 20})]


def test_what_befell_all_providers_is_read_at_once_the_latest_of_each(services: Services) -> None:
    builders.register(services, provider="bfl")
    builders.register(services, provider="stability")
    for provider in ("openai", "bfl"):
        with services.database.transaction() as session:
            breaker.pause(session, provider, SOON)
            breaker.pause(session, provider, 2 * SOON)
    statements: list[str] = []

    with services.database.transaction() as session:
        event.listen(session.connection(), "before_cursor_execute", lambda *given: statements.append(given[2]))
        found = breaker.history(session, 1)

    assert len(statements) == 1
    assert {name: [each.detail for each in events] for name, events in found.items()} == {
        "openai": [{"seconds": 40}],
        "bfl": [{"seconds": 40}],
    }
