from datetime import timedelta
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from api.errors import FAILURES
from core import standings
from core.bootstrap import Services
from core.errors import FailureKind
from core.generation import ResponseFormat
from core.orm import Image
from core.states import Door, JobState
from tests import builders
from tests.integration.api import lives
from tests.integration.api.envelope import error_of
from tests.integration.api.lives import JOBS, Get, Owner

FIELDS = {
    *("id", "object", "status", "model", "provider", "door", "request_id", "request", "metadata", "attempts"),
    *("created_at", "started_at", "completed_at", "expires_at"),
    *("progress", "queue_position", "expected", "data", "error", "usage"),
}


def cancel(client: FlaskClient, owner: Owner, job_id: object) -> TestResponse:
    """As the SDKs send a POST without a body."""
    return client.post(f"{JOBS}/{job_id}/cancel", headers={**owner.headers, "Content-Type": "application/json"})


def test_a_queued_job_is_told_whole(services: Services, owner: Owner, get: Get) -> None:
    job_id = lives.begin(services, owner, n=2, metadata={"order": "7"}, door=Door.ASYNC)

    job = get(job_id)

    row = builders.job_of(services, job_id)
    assert set(job) == FIELDS
    assert (job["id"], job["object"], job["status"]) == (str(job_id), "image.generation.job", "queued")
    assert (job["model"], job["provider"], job["door"]) == ("dall-e-2", "openai", "async")
    assert job["created_at"] == int(row.created_at.timestamp())
    assert [job[name] for name in ("started_at", "completed_at", "expires_at", "error")] == [None] * 4
    assert (job["progress"], job["attempts"], job["data"]) == (0, 0, [])
    assert (job["metadata"], job["request_id"]) == ({"order": "7"}, "req_test")
    assert job["request"] == row.request
    assert job["usage"] == {"cost_usd": None, "reserved_usd": format(row.price, "f")}


def test_a_running_job_lists_its_pictures_as_they_land(services: Services, owner: Owner, get: Get) -> None:
    claim = lives.start(services, lives.begin(services, owner, n=4))
    lives.land(services, claim, 2)

    job = get(claim.job_id)

    assert (job["status"], job["progress"], job["attempts"]) == ("in_progress", 25, 1)
    assert job["started_at"] >= job["created_at"]
    assert [set(item) for item in job["data"]] == [{"url"}]
    assert (job["queue_position"], job["completed_at"]) == (None, None)


def test_a_completed_job_has_addresses_that_open(
    client: FlaskClient, services: Services, owner: Owner, get: Get
) -> None:
    claim = lives.start(services, lives.begin(services, owner, n=2))
    lives.land(services, claim, 1, 0)
    lives.complete(services, claim)

    job = get(claim.job_id)

    assert (job["status"], job["progress"], job["error"]) == ("completed", 100, None)
    assert job["completed_at"] >= job["started_at"]
    assert job["expires_at"] - job["completed_at"] in range(3590, 3601)
    opened = [client.get(item["url"].removeprefix(services.settings.public_url)).data for item in job["data"]]
    assert opened == [b"png 0", b"png 1"]
    assert job["usage"]["cost_usd"] == job["usage"]["reserved_usd"]


def test_a_base64_job_lists_addresses_as_well(services: Services, owner: Owner, get: Get) -> None:
    job_id = lives.begin(services, owner, model="dall-e-3", response_format=ResponseFormat.B64_JSON)
    claim = lives.start(services, job_id)
    lives.land(services, claim, 0)
    lives.complete(services, claim)

    (item,) = get(claim.job_id)["data"]

    assert item["url"].startswith(f"{services.settings.public_url}/files/img-")
    assert item["revised_prompt"] == lives.REVISED


def test_an_expired_picture_keeps_its_place_and_has_no_address(services: Services, owner: Owner, get: Get) -> None:
    claim = lives.start(services, lives.begin(services, owner, n=2))
    lives.land(services, claim, 0, 1)
    lives.complete(services, claim)
    with services.database.transaction() as session:
        (first, _) = session.scalars(select(Image).where(Image.job_id == claim.job_id).order_by(Image.position))
        first.expires_at -= timedelta(hours=2)

    expired, alive = get(claim.job_id)["data"]

    assert expired == {"url": None}
    assert alive["url"]


@pytest.mark.parametrize("kind", FailureKind)
def test_a_failed_job_says_what_the_synchronous_answer_says(
    services: Services, owner: Owner, get: Get, kind: FailureKind
) -> None:
    claim = lives.start(services, lives.begin(services, owner, n=2))
    lives.land(services, claim, 0)
    lives.fail(services, claim, kind)

    job = get(claim.job_id)

    answer = FAILURES[kind]
    assert (job["status"], job["progress"], len(job["data"])) == ("failed", 50, 1)
    assert job["error"] == {
        "message": f"It was {kind}.",
        "type": answer.type,
        "param": None,
        "code": answer.code,
    }


def test_a_job_that_was_let_in_is_queued_and_has_no_place_any_more(
    services: Services, owner: Owner, get: Get
) -> None:
    lives.let_in(services)
    first, second = (lives.begin(services, owner) for _ in range(2))
    assert [get(job_id)["queue_position"] for job_id in (first, second)] == [1, 2]

    lives.let_in(services)

    assert builders.state_of(services, first) is JobState.DISPATCHED
    assert (get(first)["status"], get(first)["queue_position"]) == ("queued", None)


def test_a_place_is_counted_over_all_keys_of_a_provider(services: Services, owner: Owner, get: Get) -> None:
    lives.let_in(services)
    lives.begin(services, lives.make_owner(services))
    mine = [str(lives.begin(services, owner)) for _ in range(2)]

    assert [get(job_id)["queue_position"] for job_id in mine] == [2, 3]
    assert {job["queue_position"] for job in get()["data"]} == {2, 3}


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", "/cancel"), ("GET", "/events")])
def test_what_is_not_the_callers_own_job_is_not_there(
    client: FlaskClient, services: Services, owner: Owner, *, method: str, path: str
) -> None:
    theirs, mine = lives.begin(services, lives.make_owner(services)), lives.begin(services, owner)

    for named in (theirs, uuid4(), "12", "job_1", "%00", mine.hex, f"{{{mine}}}", f"urn:uuid:{mine}"):
        response = client.open(f"{JOBS}/{named}{path}", method=method, headers=owner.headers)
        assert (response.status_code, error_of(response)["code"]) == (404, "job_not_found")
    assert {builders.state_of(services, job_id) for job_id in (theirs, mine)} == {JobState.QUEUED}


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("GET", "/x"), ("POST", "/x/cancel"), ("GET", "/x/events")]
)
def test_no_job_is_told_without_a_key(client: FlaskClient, method: str, path: str) -> None:
    assert client.open(f"{JOBS}{path}", method=method).status_code == 401


@pytest.mark.parametrize("progress", ["queued", "dispatched", "running"])
def test_a_live_job_is_cancelled(client: FlaskClient, services: Services, owner: Owner, progress: str) -> None:
    job_id = lives.begin(services, owner)
    if progress == "dispatched":
        lives.let_in(services)
    if progress == "running":
        lives.start(services, job_id)

    response = cancel(client, owner, job_id)

    job = response.get_json()
    assert response.status_code == 200
    assert (job["id"], job["status"], job["error"]) == (str(job_id), "cancelled", None)
    assert job["completed_at"]
    assert builders.state_of(services, job_id) is JobState.CANCELLED


def test_the_slot_of_a_cancelled_job_goes_to_the_next_at_once(
    client: FlaskClient, services: Services, owner: Owner
) -> None:
    with services.database.transaction() as session:
        taken = sum(each.taken for each in standings.providers(session) if each.name == "openai")
    builders.register(services, slots=taken + 1)
    dispatched, waiting = (lives.begin(services, owner) for _ in range(2))
    assert lives.let_in(services) == [dispatched]

    cancel(client, owner, dispatched)

    assert builders.state_of(services, waiting) is JobState.DISPATCHED


def test_cancelling_again_changes_nothing(client: FlaskClient, services: Services, owner: Owner) -> None:
    job_id = lives.begin(services, owner)

    first, second = (cancel(client, owner, job_id) for _ in range(2))

    assert (first.status_code, second.status_code) == (200, 200)
    assert first.get_json() == second.get_json()


@pytest.mark.parametrize("ending", ["completed", "failed"])
def test_a_job_that_has_ended_cannot_be_cancelled(
    client: FlaskClient, services: Services, owner: Owner, ending: str
) -> None:
    claim = lives.start(services, lives.begin(services, owner))
    if ending == "completed":
        lives.land(services, claim, 0)
        lives.complete(services, claim)
    else:
        lives.fail(services, claim)

    response = cancel(client, owner, claim.job_id)

    assert (response.status_code, error_of(response)["code"]) == (409, "job_settled")
    assert error_of(response)["message"] == f"Cannot cancel a job with status '{ending}'."
    assert response.headers["x-should-retry"] == "false"
