"""Ten open dashboards cost the database as much as one."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from api.app import create_app
from api.dashboard.glass import FRESH_SECONDS
from api.waiting import WaitingRoom
from core.bootstrap import Services
from core.states import Role
from tests.integration.api.dashboard.conftest import Browse, Visitor, statements

PAGES = (
    "",
    "jobs",
    "batches",
    "gallery",
    "providers",
    "workers",
    "keys",
    "money",
    "webhooks",
    "operations",
    "audit",
)


@pytest.mark.parametrize("page", PAGES)
def test_ten_who_look_at_a_page_ask_no_more_than_one(
    services: Services, viewer: Visitor, staff: dict[Role, Browse], page: str
) -> None:
    another_app = create_app(services, WaitingRoom(services.database, services.notifier))
    ten = [staff[Role.VIEWER](another_app) for _ in range(10)]

    with statements(services) as of_one:
        viewer.get(f"/ops/{page}")
    begun = time.monotonic()
    with statements(services) as of_ten, ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda each: each.get(f"/ops/{page}"), ten))

    moments = 1 + int((time.monotonic() - begun) / FRESH_SECONDS)  # one, unless the machine is busy
    assert Counter(of_ten) <= Counter(of_one * moments)


def test_who_did_something_sees_what_came_of_it(operator: Visitor) -> None:
    assert "openai healthy" in operator.get("/ops/providers")

    operator.post("/ops/providers/openai/pause")

    assert "openai paused" in operator.get("/ops/providers")


def test_who_did_something_sees_it_also_where_another_process_answers(
    services: Services, operator: Visitor, staff: dict[Role, Browse]
) -> None:
    elsewhere = staff[Role.OPERATOR](create_app(services, WaitingRoom(services.database, services.notifier)))
    operator.post("/ops/providers/openai/resume")
    before = elsewhere.get("/ops/providers")

    operator.post("/ops/providers/openai/drain")
    noticed = operator.client.get_cookie("ops_notice", path="/ops/providers")
    assert noticed
    elsewhere.client.set_cookie("ops_notice", noticed.value, path="/ops")

    assert "openai draining" not in before
    assert "openai draining" in elsewhere.get("/ops/providers")
