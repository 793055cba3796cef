"""/ops/providers: steered without a restart."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from werkzeug.test import TestResponse

from core import admission, breaker, fleet, processes
from core.bootstrap import Services
from core.errors import FailureKind
from core.fleet import Allowance, Load
from core.orm import AuditEntry, Provider
from core.states import JobState, Part
from tests import builders
from tests.integration.api import lives
from tests.integration.api.dashboard.conftest import Visitor, words
from tests.integration.api.lives import Owner

ADDRESS = "/ops/providers/openai"


def row(services: Services) -> Provider:
    with services.database.transaction() as session:
        return next(each for each in admission.providers(session) if each.name == "openai")


@pytest.fixture(autouse=True)
def _restored(services: Services) -> Iterator[None]:
    """The next test finds it as it was."""
    yield
    with services.database.transaction() as session:
        admission.resume(session, "openai")
        admission.set_rate(session, "openai", None)
    builders.register(services)


def test_a_paused_provider_starts_nothing_until_it_is_resumed(
    services: Services, owner: Owner, operator: Visitor, last_entry: Callable[[], AuditEntry]
) -> None:
    operator.post(f"{ADDRESS}/pause", {"why": "its bill"})
    entry, page = last_entry(), operator.get("/ops/providers")
    job_id = lives.begin(services, owner)
    lives.let_in(services)

    assert "openai paused" in page
    assert (entry.actor, entry.action, entry.why) == (operator.name, "provider.pause", "its bill")
    assert entry.subject == "provider openai"
    assert builders.state_of(services, job_id) is JobState.QUEUED

    operator.post(f"{ADDRESS}/resume")

    assert last_entry().action == "provider.resume"
    assert builders.state_of(services, job_id) is JobState.DISPATCHED
    assert "openai healthy" in operator.get("/ops/providers")


def test_a_provider_is_drained(
    services: Services, operator: Visitor, last_entry: Callable[[], AuditEntry]
) -> None:
    operator.post(f"{ADDRESS}/drain")

    assert row(services).draining
    assert last_entry().action == "provider.drain"
    assert "openai draining" in operator.get("/ops/providers")


def test_slots_and_rate_hold_from_now_on(
    services: Services, operator: Visitor, last_entry: Callable[[], AuditEntry]
) -> None:
    operator.post(ADDRESS, {"slots": "7", "rate": "150/10 seconds"})

    page, entry = operator.get("/ops/providers"), last_entry()
    assert (row(services).slots, row(services).rate) == (7, "150/10 seconds")
    assert " of 7 Running, dispatched" in page
    assert "150/10 seconds chosen by an operator , 150 of 150 left" in page
    assert (entry.action, entry.detail) == ("provider.change", {"slots": "7", "rate": "150/10 seconds"})


def test_without_a_rate_the_catalogs_holds_again(services: Services, operator: Visitor) -> None:
    operator.post(ADDRESS, {"slots": "7", "rate": "150/10 seconds"})
    operator.post(ADDRESS, {"slots": "7", "rate": " "})

    assert row(services).rate is None


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"slots": "7", "rate": "as fast as it gets"}, "rate"),
        ({"slots": "7", "rate": "\0"}, "rate"),
        ({"slots": "-1"}, "Slots are a number"),
        ({"slots": ""}, "Slots are a number"),
        ({"slots": "9" * 5000}, "Slots are a number"),
    ],
)
def test_what_is_no_number_and_no_rate_is_refused_and_changes_nothing(
    services: Services, operator: Visitor, fields: dict[str, str], says: str
) -> None:
    before = row(services)

    response = operator.post(ADDRESS, fields)

    assert response.status_code == 400
    assert says in words(response.text)
    assert (row(services).slots, row(services).rate) == (before.slots, before.rate)


def test_what_befell_it_is_told(services: Services, viewer: Visitor) -> None:
    with services.database.transaction() as session:
        for _ in range(breaker.MOST_FAILURES):
            breaker.report_failure(session, "openai", FailureKind.UNAVAILABLE)

    page = viewer.get("/ops/providers")

    assert "openai taken out" in page
    assert "3 failures in a row, the last unavailable, for 15.0 s" in page


def test_what_it_says_of_its_own_limit_stands_beside_the_rate_that_we_keep_to(
    services: Services, viewer: Visitor
) -> None:
    told = Allowance(1200, 1100, reset=timedelta(seconds=50), age=timedelta(seconds=2))
    with services.database.transaction() as session:
        fleet.beat(
            session, processes.this(Part.WORKER, provider="openai"), Load(rss=1, stopping=False, allowance=told)
        )

    assert "Its own limit 1,100 of 1,200 left, all in" in viewer.get("/ops/providers")


def test_viewers_cannot_steer(services: Services, viewer: Visitor) -> None:
    def post(deed: str) -> TestResponse:
        return viewer.post(f"{ADDRESS}{deed}", {"slots": "1"})

    assert [post(deed).status_code for deed in ("", "/pause", "/drain", "/resume")] == [403] * 4
    assert row(services).slots == builders.SLOTS


def test_an_unknown_provider_is_not_found(operator: Visitor) -> None:
    assert operator.post("/ops/providers/nobody/pause").status_code == 404
    assert operator.post("/ops/providers/nobody", {"slots": "1"}).status_code == 404
