import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, event

from core.bootstrap import Services
from tests.integration.api import lives
from tests.integration.api.envelope import error_of
from tests.integration.api.lives import JOBS, Get, Owner


def ids(page: dict[str, Any]) -> list[str]:
    return [job["id"] for job in page["data"]]


def newest_first(*job_ids: UUID) -> list[str]:
    """By their ids: those of one millisecond are in any order."""
    return [str(job_id) for job_id in sorted(job_ids, reverse=True)]


def test_a_list_is_newest_first_and_holds_the_callers_own_jobs_only(
    services: Services, owner: Owner, get: Get
) -> None:
    mine = newest_first(*(lives.begin(services, owner) for _ in range(3)))
    lives.begin(services, lives.make_owner(services))

    page = get()

    assert set(page) == {"object", "data", "first_id", "last_id", "has_more"}
    assert (page["object"], page["has_more"]) == ("list", False)
    assert ids(page) == mine
    assert (page["first_id"], page["last_id"]) == (mine[0], mine[2])
    assert page["data"][0] == get(mine[0])


def test_an_empty_list_is_a_list(get: Get) -> None:
    assert get() == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


def test_pages_hold_every_job_once_while_new_ones_come_in(services: Services, owner: Owner, get: Get) -> None:
    mine = newest_first(*(lives.begin(services, owner) for _ in range(7)))

    seen, page = [], get(limit=3)
    while True:
        seen += ids(page)
        if not page["has_more"]:
            break
        lives.begin(services, owner)
        page = get(limit=3, after=page["last_id"])

    assert seen == mine


def test_a_page_has_twenty_jobs_unless_it_is_asked_for_more_or_less(
    services: Services, owner: Owner, get: Get
) -> None:
    for _ in range(21):
        lives.begin(services, owner)

    assert (len(get()["data"]), get()["has_more"]) == (20, True)
    assert (len(get(limit=100)["data"]), get(limit=100)["has_more"]) == (21, False)


def test_jobs_are_found_by_status(services: Services, owner: Owner, get: Get) -> None:
    queued = lives.begin(services, owner)
    running = lives.start(services, queued)
    failed = lives.start(services, lives.begin(services, owner))
    lives.fail(services, failed)
    waiting = lives.begin(services, owner)

    assert ids(get(status="in_progress")) == [str(running.job_id)]
    assert ids(get(status="failed")) == [str(failed.job_id)]
    assert ids(get(status="queued,failed")) == newest_first(waiting, failed.job_id)
    assert ids(get(status="completed,cancelled")) == []


def test_jobs_are_found_by_model(services: Services, owner: Owner, get: Get) -> None:
    lives.begin(services, owner)
    other = lives.begin(services, owner, model="dall-e-3")

    assert ids(get(model="dall-e-3")) == [str(other)]
    assert ids(get(model="one-that-never-was")) == []


def test_jobs_are_found_by_what_their_owner_noted_on_them(services: Services, owner: Owner, get: Get) -> None:
    one = lives.begin(services, owner, metadata={"order": "7", "shop": "north"})
    two = lives.begin(services, owner, metadata={"order": "7", "shop": "south"})
    lives.begin(services, owner)

    assert ids(get(**{"metadata[order]": "7"})) == newest_first(one, two)
    assert ids(get(**{"metadata[order]": "7", "metadata[shop]": "north"})) == [str(one)]
    assert ids(get(**{"metadata[order]": "8"})) == []


def test_jobs_are_found_by_the_second_in_which_they_came_in(services: Services, owner: Owner, get: Get) -> None:
    made = [lives.begin(services, owner) for _ in range(3)]
    second = [get(job_id)["created_at"] for job_id in made]

    assert ids(get(created_after=second[0])) == newest_first(*made)
    assert ids(get(created_before=second[2] + 1)) == newest_first(*made)
    assert ids(get(created_after=second[2] + 1)) == []
    assert ids(get(created_before=second[0])) == []


@pytest.mark.parametrize(
    ("query", "param", "code"),
    [
        ("limit=0", "limit", "integer_below_min_value"),
        ("limit=101", "limit", "integer_above_max_value"),
        ("limit=ten", "limit", "invalid_type"),
        ("limit=1.0", "limit", "invalid_type"),
        ("after=12", "after", "invalid_value"),
        ("status=done", "status", "invalid_value"),
        ("status=queued,", "status", "invalid_value"),
        ("created_after=-1", "created_after", "integer_below_min_value"),
        ("created_before=99999999999", "created_before", "integer_above_max_value"),
        ("created_before=2026-11-23", "created_before", "invalid_type"),
        ("state=queued", "state", "unknown_parameter"),
        ("metadata[]=1", "metadata[]", "unknown_parameter"),
        ("metadata[a]=%00", "metadata[a]", "invalid_value"),
        ("model=%00", "model", "invalid_value"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused_by_name(
    client: FlaskClient, owner: Owner, *, query: str, param: str, code: str
) -> None:
    response = client.get(f"{JOBS}?{query}", headers=owner.headers)

    assert response.status_code == 400
    error = error_of(response)
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)


def test_a_page_takes_as_many_statements_as_a_job(
    services: Services, owner: Owner, get: Get, tmp_path: Path
) -> None:
    for _ in range(5):
        claim = lives.start(services, lives.begin(services, owner, n=2))
        lives.land(services, claim, 0, 1)
    lives.begin(services, owner)
    assert len(get()["data"]) == 6  # the key is believed from here on

    statements = statements_of(get, services.database.engine, tmp_path / "wire")

    assert statements == 3  # the jobs, the queues of their provider, their own queue


def statements_of(ask: Callable[[], object], engine: Engine, wire: Path) -> int:
    """How many statements Postgres is sent, whatever sends them: counted by libpq."""
    with wire.open("w") as file:
        event.listen(engine, "checkout", lambda connection, *_: connection.pgconn.trace(file.fileno()))
        event.listen(engine, "checkin", lambda connection, *_: connection.pgconn.untrace())
        ask()
    return len(re.findall(r"\tF\t\d+\t(?:Execute|Query)\b", wire.read_text()))
