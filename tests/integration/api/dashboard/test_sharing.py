"""Ten open dashboards cost the database as much as one."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from sqlalchemy import event

from api.app import create_app
from api.dashboard import glass
from api.waiting import WaitingRoom
from core.bootstrap import Services
from core.states import Role
from tests.integration.api.dashboard.conftest import Browse, Visitor

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
OF_SIGN_INS = "sign_ins"


@pytest.fixture
def _in_one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine: what is fresh stays so."""
    monkeypatch.setattr(glass, "time", SimpleNamespace(monotonic=lambda: 100.0))


@contextmanager
def statements(services: Services) -> Iterator[list[str]]:
    """All that the database is asked, but for who is signed in: that is looked up anew for each request."""
    asked: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        if OF_SIGN_INS not in statement:
            asked.append(statement)

    event.listen(services.database.engine, "before_cursor_execute", note)
    yield asked
    event.remove(services.database.engine, "before_cursor_execute", note)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.usefixtures("_in_one_moment")
def test_ten_who_look_at_a_page_ask_no_more_than_one(
    services: Services, viewer: Visitor, staff: dict[Role, Browse], page: str
) -> None:
    another_app = create_app(services, WaitingRoom(services.database, services.notifier))
    ten = [staff[Role.VIEWER](another_app) for _ in range(10)]

    with statements(services) as of_one:
        viewer.get(f"/ops/{page}")
    with statements(services) as of_ten, ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda each: each.get(f"/ops/{page}"), ten))

    assert sorted(of_ten) == sorted(of_one)


def test_who_did_something_sees_what_came_of_it(operator: Visitor) -> None:
    assert "openai healthy" in operator.get("/ops/providers")

    operator.post("/ops/providers/openai/pause")

    assert "openai paused" in operator.get("/ops/providers")
