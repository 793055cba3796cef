"""/ops/: what is wrong, what waits, at a glance."""

from dataclasses import replace
from datetime import timedelta

from api.app import create_app
from api.dashboard.wording import dollars
from api.waiting import WaitingRoom
from core import admission, breaker, fleet, processes
from core.bootstrap import Services
from core.errors import FailureKind
from core.fleet import Allowance, Load
from core.processes import Presence
from core.rates import Rates
from core.states import Part, Role
from tests import builders
from tests.integration.api import lives
from tests.integration.api.dashboard.conftest import Browse, Visitor, add_up
from tests.integration.api.lives import Owner


def test_a_house_to_which_nothing_has_happened_is_well(services: Services, viewer: Visitor) -> None:
    Presence(services.database, Part.SCHEDULER).beat()

    page = viewer.client.get("/ops/")

    assert page.status_code == 200
    assert 'class="alerts"' not in page.text
    assert "openai healthy" in viewer.get("/ops/")
    assert "None in this window." in viewer.get("/ops/?window=30d")


def test_what_is_wrong_comes_first_with_what_to_do_about_it(
    services: Services, owner: Owner, viewer: Visitor
) -> None:
    lives.begin(services, owner)
    with services.database.transaction() as session:
        for _ in range(breaker.MOST_FAILURES):
            breaker.report_failure(session, "openai", FailureKind.UNAVAILABLE)

    page = viewer.get("/ops/")

    assert "Jobs wait for openai, and no worker takes them. Start one with darkroom worker" in page
    assert "openai failed again and again, and is taken out." in page
    assert page.index("no worker takes them") < page.index("of 500 slots")
    assert "openai taken out" in page
    assert "interactive 1" in page


def test_a_card_tells_how_a_provider_did_and_what_its_rate_leaves(
    services: Services, owner: Owner, viewer: Visitor
) -> None:
    with services.database.transaction() as session:
        admission.resume(session, "openai")
        admission.set_rate(session, "openai", "150/10 seconds")
    done, refused = (lives.start(services, lives.begin(services, owner)) for _ in range(2))
    lives.land(services, done, 0)
    lives.complete(services, done)
    lives.fail(services, refused, FailureKind.MODERATED)
    add_up(services)

    page = viewer.get("/ops/?window=1h")

    charged = dollars(builders.job_of(services, done.job_id).charged)
    assert f"success, 1 h 100.0 % refused 50.0 % $ / h {charged}" in page
    assert "rate left 150 of 150" in page
    assert "openai moderated 1" in page
    assert f"Spent, 1h {charged}" in page


def test_what_a_rate_leaves_is_not_known_without_redis(services: Services, staff: dict[Role, Browse]) -> None:
    with services.database.transaction() as session:
        admission.set_rate(session, "openai", "150/10 seconds")
    alone = replace(services, rates=Rates("redis://127.0.0.1:1/0"))
    viewer = staff[Role.VIEWER](create_app(alone, WaitingRoom(alone.database, alone.notifier)))

    assert "rate left not known" in viewer.get("/ops/")
    assert "150/10 seconds chosen by an operator what is left of it is not known" in viewer.get("/ops/providers")


def test_a_window_is_one_of_a_few(viewer: Visitor) -> None:
    assert viewer.client.get("/ops/?window=6h").status_code == 200
    assert viewer.client.get("/ops/?window=1000y").status_code == 400


def test_what_a_provider_says_of_its_own_limit_is_on_its_card(services: Services, viewer: Visitor) -> None:
    told = Allowance(1200, 1100, reset=timedelta(minutes=5), age=timedelta(0))
    with services.database.transaction() as session:
        worker = processes.this(Part.WORKER, provider="openai")
        fleet.beat(session, worker, Load(rss=1, stopping=False, allowance=told))

    assert "1,100 of 1,200, its own" in viewer.get("/ops/?window=1h")
