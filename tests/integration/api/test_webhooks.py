from typing import Any
from uuid import UUID, uuid4

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from api.webhook_schemas import DAY
from core import deliveries, hosts, ledger
from core.bootstrap import Services
from core.orm import Webhook
from core.states import Door
from core.webhooks import EVENTS, MOST_OF_A_KEY
from tests import builders
from tests.integration.api import lives
from tests.integration.api.envelope import error_of
from tests.integration.api.house import BODY, GENERATIONS, House
from tests.integration.api.lives import Owner

HOOKS = "/v1/webhooks"
URL, NEVER = "https://example.org/hook", UUID(int=0)
OF_ONE = [
    ("GET", ""),
    ("POST", ""),
    ("DELETE", ""),
    ("POST", "/rotate"),
    ("POST", "/test"),
    ("GET", "/deliveries"),
]


class Hooks:
    """The owner's calls."""

    def __init__(self, client: FlaskClient, owner: Owner) -> None:
        self._client, self._owner = client, owner

    def send(self, method: str, path: str = "", **body: Any) -> TestResponse:
        json = body if body or not path.endswith("/rotate") else None
        kept = {"json": json} if method == "POST" else {"query_string": body}
        return self._client.open(f"{HOOKS}{path}", method=method, headers=self._owner.headers, **kept)

    def ask(self, method: str, path: str = "", **body: Any) -> dict[str, Any]:
        response = self.send(method, path, **body)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.get_json()
        return answer

    def make(self, **changes: Any) -> dict[str, Any]:
        return self.ask("POST", url=URL, **changes)


@pytest.fixture
def hooks(client: FlaskClient, owner: Owner) -> Hooks:
    return Hooks(client, owner)


def end_a_job(services: Services, owner: Owner, **changes: Any) -> str:
    job_id = lives.begin(services, owner, **changes)
    with services.database.transaction() as session:
        assert ledger.cancel(session, job_id)
    return str(job_id)


def test_a_new_webhook_shows_its_secret_and_no_later_answer_does(hooks: Hooks) -> None:
    made = hooks.make(events=["batch.completed"])

    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    assert (made["object"], made["url"], made["events"], made["enabled"]) == (
        "webhook",
        URL,
        ["batch.completed"],
        True,
    )
    assert (made["disabled_at"], made["old_secret_until"]) == (None, None)
    assert hooks.ask("GET", f"/{made['id']}") == made
    assert hooks.ask("GET")["data"] == [made]
    assert secret not in hooks.send("POST", f"/{made['id']}", enabled=False).text


def test_webhooks_are_listed_newest_first_a_page_at_a_time(hooks: Hooks) -> None:
    made = [hooks.make()["id"] for _ in range(3)][::-1]

    first = hooks.ask("GET", limit=2)
    second = hooks.ask("GET", limit=2, after=first["last_id"])

    assert [each["id"] for each in first["data"] + second["data"]] == made
    assert (first["has_more"], second["has_more"]) == (True, False)
    assert (first["first_id"], second["last_id"]) == (made[0], made[2])


def test_what_is_given_is_changed_and_the_rest_stays(hooks: Hooks) -> None:
    made = hooks.make(events=["batch.completed"])
    del made["secret"]

    moved = hooks.ask("POST", f"/{made['id']}", url="https://example.org/other")
    listening = hooks.ask("POST", f"/{made['id']}", events=[])
    same = hooks.ask("POST", f"/{made['id']}")

    assert moved == {**made, "url": "https://example.org/other"}
    assert listening == same == {**moved, "events": []}


def test_a_disabled_webhook_is_told_nothing_and_gives_up_what_is_due(
    services: Services, owner: Owner, hooks: Hooks
) -> None:
    path = f"/{hooks.make()['id']}"
    end_a_job(services, owner)

    disabled = hooks.ask("POST", path, enabled=False)
    end_a_job(services, owner)
    [given_up] = hooks.ask("GET", "/deliveries")["data"]
    enabled = hooks.ask("POST", path, enabled=True)
    end_a_job(services, owner)

    assert (disabled["enabled"], enabled["enabled"], enabled["disabled_at"]) == (False, True, None)
    assert disabled["disabled_at"]
    assert (given_up["status"], given_up["next_try_at"]) == ("failed", None)
    assert [each["status"] for each in hooks.ask("GET", "/deliveries")["data"]] == ["pending", "failed"]


def test_a_deleted_webhook_is_gone_but_its_history_stays(services: Services, owner: Owner, hooks: Hooks) -> None:
    made = hooks.make()
    job_id = end_a_job(services, owner)

    deleted = hooks.ask("DELETE", f"/{made['id']}")
    end_a_job(services, owner)

    assert deleted == {"id": made["id"], "object": "webhook.deleted", "deleted": True}
    assert error_of(hooks.send("GET", f"/{made['id']}"))["code"] == "webhook_not_found"
    assert hooks.ask("GET")["data"] == []
    [told] = hooks.ask("GET", "/deliveries")["data"]
    assert (told["job_id"], told["status"]) == (job_id, "failed")
    assert error_of(hooks.send("POST", f"/deliveries/{told['id']}/redeliver"))["code"] == "webhook_not_found"
    with services.database.transaction() as session:
        assert session.scalars(select(Webhook.secret).where(Webhook.id == made["id"])).one() == ""


def test_a_rotated_secret_is_another_and_the_old_one_signs_for_a_day(hooks: Hooks) -> None:
    made = hooks.make()

    rotated = hooks.ask("POST", f"/{made['id']}/rotate")
    at_once = hooks.ask("POST", f"/{made['id']}/rotate", overlap_seconds=0)

    assert len({made["secret"], rotated["secret"], at_once["secret"]}) == 3
    assert rotated["old_secret_until"] - made["created_at"] in range(DAY, DAY + 60)
    assert at_once["old_secret_until"] is None


def test_a_webhook_can_be_tried(services: Services, hooks: Hooks) -> None:
    made = hooks.make(events=["batch.completed"])

    begun = hooks.ask("POST", f"/{made['id']}/test")

    assert begun["id"].startswith("msg_")
    assert (begun["object"], begun["event"], begun["webhook_id"]) == (
        "webhook.delivery",
        "webhook.ping",
        made["id"],
    )
    assert (begun["status"], begun["tries"], begun["job_id"], begun["batch_id"]) == ("pending", [], None, None)
    with services.database.transaction() as session:
        assert any(claim.subject["id"] == made["id"] for claim in deliveries.claim(session, most=1000))


def test_a_delivery_is_told_with_its_tries_and_can_be_told_again(
    services: Services, owner: Owner, hooks: Hooks
) -> None:
    hooks.make()
    job_id = end_a_job(services, owner)
    with services.database.transaction() as session:
        for claim in deliveries.claim(session, most=1000):
            deliveries.give_up(session, claim, deliveries.Outcome(0.25, 500, "not taken"), gone=False)

    [told] = hooks.ask("GET", "/deliveries", job_id=job_id)["data"]
    again = hooks.ask("POST", f"/deliveries/{told['id']}/redeliver")

    [tried] = told["tries"]
    assert tried["at"] >= told["created_at"]
    assert tried == {"at": tried["at"], "seconds": 0.25, "status": 500, "fault": "not taken"}
    assert (told["status"], told["event"], told["url"]) == ("failed", "image.generation.job.cancelled", URL)
    assert (again["id"], again["status"], again["tries"]) == (told["id"], "pending", told["tries"])
    assert again == hooks.ask("GET", f"/deliveries/{told['id']}")


def test_deliveries_are_found_by_what_they_are_about(services: Services, owner: Owner, hooks: Hooks) -> None:
    one, two = hooks.make(), hooks.make()
    first = end_a_job(services, owner)
    second = end_a_job(services, owner, webhook_url="https://example.org/mine")

    def jobs(path: str = "/deliveries", **query: Any) -> list[str]:
        return sorted(each["job_id"] for each in hooks.ask("GET", path, **query)["data"])

    assert jobs() == sorted([first, first, second, second, second])
    assert jobs(job_id=first, status="pending") == [first, first]
    assert jobs(status="delivered") == jobs(batch_id="batch_none") == []
    assert [jobs(f"/{each['id']}/deliveries") for each in (one, two)] == [sorted([first, second])] * 2
    page = hooks.ask("GET", "/deliveries", limit=3)
    rest = hooks.ask("GET", "/deliveries", after=page["last_id"])
    assert (page["has_more"], len(rest["data"])) == (True, 2)


@pytest.mark.parametrize(
    ("given", "param", "code"),
    [
        ({}, "url", "missing_required_parameter"),
        ({"url": 7}, "url", "invalid_type"),
        ({"url": "http://example.org"}, "url", "invalid_value"),
        ({"url": "https://user:hush@example.org"}, "url", "invalid_value"),
        ({"url": "https://169.254.169.254/"}, "url", "invalid_value"),
        ({"url": "https://example.org/\0"}, "url", "invalid_value"),
        ({"url": URL, "events": "batch.completed"}, "events", "invalid_type"),
        ({"url": URL, "events": ["batch.begun"]}, "events", "invalid_value"),
        ({"url": URL, "events": [7]}, "events.0", "invalid_type"),
        ({"url": URL, "colour": "red"}, "colour", "unknown_parameter"),
    ],
)
def test_a_webhook_that_makes_no_sense_is_refused_by_name(
    hooks: Hooks, given: dict[str, Any], param: str, code: str
) -> None:
    response = hooks.send("POST", **given)

    error = error_of(response)
    assert (response.status_code, error["param"], error["code"]) == (400, param, code)
    assert hooks.ask("GET")["data"] == []


@pytest.mark.parametrize(
    ("path", "given", "param"),
    [
        ("", {"url": "http://example.org"}, "url"),
        ("", {"enabled": "no"}, "enabled"),
        ("", {"secret": "whsec_mine"}, "secret"),
        ("/rotate", {"overlap_seconds": -1}, "overlap_seconds"),
        ("/rotate", {"overlap_seconds": 8 * DAY}, "overlap_seconds"),
        ("/rotate", {"overlap_seconds": "1"}, "overlap_seconds"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused_by_name(
    hooks: Hooks, path: str, given: dict[str, Any], param: str
) -> None:
    response = hooks.send("POST", f"/{hooks.make()['id']}{path}", **given)

    assert (response.status_code, error_of(response)["param"]) == (400, param)


@pytest.mark.parametrize(
    ("path", "query", "param"),
    [
        ("", "after=1", "after"),
        ("", "status=pending", "status"),
        ("/deliveries", "after=1", "after"),
        ("/deliveries", "limit=0", "limit"),
        ("/deliveries", "status=done", "status"),
        ("/deliveries", "job_id=job_1", "job_id"),
        ("/deliveries", "batch_id=%00", "batch_id"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused_by_name(
    client: FlaskClient, owner: Owner, *, path: str, query: str, param: str
) -> None:
    response = client.get(f"{HOOKS}{path}?{query}", headers=owner.headers)

    assert (response.status_code, error_of(response)["param"]) == (400, param)


def test_every_event_can_be_listened_to(hooks: Hooks) -> None:
    assert hooks.make(events=list(EVENTS))["events"] == list(EVENTS)


def test_a_key_has_so_many_webhooks_and_a_deleted_one_makes_room(hooks: Hooks) -> None:
    made = [hooks.make() for _ in range(MOST_OF_A_KEY)]

    refused = hooks.send("POST", url=URL)
    hooks.ask("DELETE", f"/{made[0]['id']}")

    assert (refused.status_code, error_of(refused)["code"]) == (409, "too_many_webhooks")
    assert hooks.make()["id"]


@pytest.mark.parametrize(("method", "path"), OF_ONE)
def test_what_is_not_the_callers_own_webhook_is_not_there(
    client: FlaskClient, services: Services, hooks: Hooks, *, method: str, path: str
) -> None:
    theirs = Hooks(client, lives.make_owner(services)).make()

    for named in (theirs["id"], uuid4()):
        response = hooks.send(method, f"/{named}{path}")
        assert (response.status_code, error_of(response)["code"]) == (404, "webhook_not_found")
    assert hooks.send(method, f"/12{path}").status_code == 404
    with services.database.transaction() as session:
        row = session.get_one(Webhook, theirs["id"])
        assert (row.secret, row.deleted_at) == (theirs["secret"], None)


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", "/redeliver")])
def test_what_is_not_the_callers_own_delivery_is_not_there(
    client: FlaskClient, services: Services, hooks: Hooks, *, method: str, path: str
) -> None:
    others = Hooks(client, lives.make_owner(services))
    theirs = others.ask("POST", f"/{others.make()['id']}/test")["id"]

    for named in (theirs, f"msg_{uuid4()}", theirs.removeprefix("msg_"), "msg_1", "%00"):
        response = hooks.send(method, f"/deliveries/{named}{path}")
        assert (response.status_code, error_of(response)["code"]) == (404, "delivery_not_found")
    assert hooks.ask("GET", "/deliveries")["data"] == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("POST", ""),
        ("GET", "/secret"),
        ("GET", "/deliveries"),
        *((method, f"/{NEVER}{path}") for method, path in OF_ONE),
    ],
)
def test_nothing_is_told_without_a_key(client: FlaskClient, method: str, path: str) -> None:
    assert client.open(f"{HOOKS}{path}", method=method).status_code == 401


def test_each_key_has_a_secret_of_its_own_for_addresses_of_requests(
    client: FlaskClient, services: Services, hooks: Hooks
) -> None:
    mine, again = (hooks.ask("GET", "/secret") for _ in range(2))
    theirs = Hooks(client, lives.make_owner(services)).ask("GET", "/secret")

    assert mine == again
    assert mine["secret"].startswith("whsec_")
    assert mine["secret"] != theirs["secret"]


def test_a_request_may_name_an_address_of_its_own(house: House) -> None:
    response = house.ask(headers={"Prefer": "respond-async"}, webhook_url="https://example.org/mine")

    assert response.status_code == 202
    assert builders.job_of(house.services, response.get_json()["id"]).webhook_url == "https://example.org/mine"


@pytest.mark.parametrize("query", ["", "?dry_run=true"])
@pytest.mark.parametrize("url", ["http://example.org", "https://10.0.0.1/", "hook", "", 7])
def test_an_address_that_could_never_be_told_is_refused_at_once(house: House, url: object, query: str) -> None:
    client = house.app.test_client()
    response = client.post(f"{GENERATIONS}{query}", json={**BODY, "webhook_url": url}, headers=house.owner.headers)

    assert (response.status_code, error_of(response)["param"]) == (400, "webhook_url")
    assert house.job_ids() == []


def test_an_operator_may_allow_what_is_not_public(house: House) -> None:
    allowing = house.changed(webhook_hosts=hosts.allowed("*.internal, 10.0.0.1:8080"))

    for url in ("http://hooks.internal/x", "http://10.0.0.1:8080/"):
        assert allowing.ask(headers={"Prefer": "respond-async"}, webhook_url=url).status_code == 202
    assert allowing.ask(webhook_url="http://10.0.0.1:8081/").status_code == 400


def test_the_two_doors_of_jobs_owe_the_same_events(services: Services, owner: Owner, hooks: Hooks) -> None:
    hooks.make()
    jobs = [end_a_job(services, owner, door=door) for door in (Door.SYNC, Door.ASYNC)]

    told = {each["job_id"] for each in hooks.ask("GET", "/deliveries")["data"]}

    assert told == set(jobs)
