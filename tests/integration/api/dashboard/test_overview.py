"""/ops/: what is wrong, what waits, at a glance."""

from core import breaker
from core.bootstrap import Services
from core.errors import FailureKind
from core.processes import Presence
from core.states import Part
from tests.integration.api import lives
from tests.integration.api.dashboard.conftest import Visitor
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

    assert "Jobs wait for openai, and no worker takes them. Start one with `darkroom worker" in page
    assert "openai failed again and again, and is taken out." in page
    assert page.index("no worker takes them") < page.index("of 500 slots")
    assert "openai taken out" in page
    assert "interactive 1" in page


def test_a_window_is_one_of_a_few(viewer: Visitor) -> None:
    assert viewer.client.get("/ops/?window=6h").status_code == 200
    assert viewer.client.get("/ops/?window=1000y").status_code == 400
