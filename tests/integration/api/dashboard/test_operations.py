"""What is done to many jobs: foreseen, ordered, followed, stopped, downloaded."""

import re
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from werkzeug.test import TestResponse

from api.dashboard.wording import dollars
from core.bootstrap import Services
from core.orm import AuditEntry
from core.states import JobState, OperationKind
from tests import builders
from tests.integration.api import lives
from tests.integration.api.dashboard.conftest import Visitor, words
from tests.integration.api.lives import Owner
from workers.operations import Operator


def fields_of(page: str) -> dict[str, str]:
    """What the form of a preview would send, but for the reason."""
    _, _, form = page.partition('action="/ops/operations"')
    return dict(re.findall(r'type="hidden" name="([\w.]+)" value="([^"]*)"', form))


def place(visitor: Visitor, **fields: object) -> str:
    """The path of an operation that was previewed and then ordered."""
    preview = visitor.post("/ops/jobs/preview", fields)
    assert preview.status_code == 200, words(preview.text)
    placed = visitor.post("/ops/operations", {**fields_of(preview.text), "why": "a bad hour"})
    assert placed.status_code == 303, words(placed.text)
    return placed.headers["Location"]


def fail(services: Services, owner: Owner) -> UUID:
    job_id = lives.begin(services, owner)
    lives.fail(services, lives.start(services, job_id))
    return job_id


def export(visitor: Visitor, job_id: UUID, services: Services) -> TestResponse:
    path = place(visitor, kind=OperationKind.EXPORT, ids=job_id, format="csv")
    assert Operator(services).work()
    return visitor.client.get(f"{path}/result")


def test_a_preview_says_how_many_jobs_and_what_they_will_cost(
    services: Services, owner: Owner, operator: Visitor
) -> None:
    one, other = fail(services, owner), fail(services, owner)
    lives.begin(services, owner)

    page = operator.post("/ops/jobs/preview", {"kind": "retry", "all": "1", "query.key": owner.key_id})

    price = sum(builders.job_of(services, job_id).price for job_id in (one, other))
    assert f"Jobs 2 Reserved anew {dollars(price)}" in words(page.text)


def test_a_form_that_is_sent_twice_is_one_order(services: Services, owner: Owner, operator: Visitor) -> None:
    preview = operator.post(
        "/ops/jobs/preview", {"kind": "reroute", "model": "dall-e-3", "ids": fail(services, owner)}
    )
    wanted = fields_of(preview.text)

    first, second = (operator.post("/ops/operations", wanted).headers["Location"] for _ in range(2))

    assert first == second
    assert Operator(services).work()
    assert not Operator(services).work()


def test_what_costs_more_by_now_than_its_preview_said_is_shown_again(
    services: Services, owner: Owner, operator: Visitor
) -> None:
    job_id = lives.begin(services, owner, model="dall-e-3")
    wanted = {"kind": "reroute", "model": "dall-e-2", "ids": job_id}
    agreed = fields_of(operator.post("/ops/jobs/preview", wanted).text)
    lives.fail(services, lives.start(services, job_id))

    again = operator.post("/ops/operations", agreed)

    assert again.status_code == 409
    assert "it costs more by now" in words(again.text)
    assert not Operator(services).work()
    assert operator.post("/ops/operations", fields_of(again.text)).status_code == 303
    assert Operator(services).work()


def test_who_thinks_better_of_it_goes_back_to_the_view_it_was_for(
    services: Services, owner: Owner, operator: Visitor
) -> None:
    given = {"kind": "cancel", "ids": lives.begin(services, owner)}
    views = ["/ops/jobs?lane=async", "https://elsewhere.example/ops/jobs"]

    pages = [operator.post("/ops/jobs/preview", {**given, "view": view}).text for view in views]

    assert 'href="/ops/jobs?lane=async">Not now' in pages[0]
    assert 'href="/ops/jobs">Not now' in pages[1]


def test_a_preview_is_not_fetched_again_by_its_own_address(
    services: Services, owner: Owner, operator: Visitor
) -> None:
    page = operator.post("/ops/jobs/preview", {"kind": "cancel", "ids": lives.begin(services, owner)})

    assert "hx-get" not in page.text
    assert "hx-get" in operator.client.get("/ops/jobs").text


def test_all_that_match_are_cancelled_and_those_that_come_in_later_are_not(
    services: Services, owner: Owner, operator: Visitor, last_entry: Callable[[], AuditEntry]
) -> None:
    job_ids = [lives.begin(services, owner) for _ in range(3)]

    path = place(operator, **{"kind": "cancel", "all": "1", "query.key": owner.key_id})
    entry, later = last_entry(), lives.begin(services, owner)
    assert Operator(services).work()

    assert {builders.state_of(services, job_id) for job_id in job_ids} == {JobState.CANCELLED}
    assert builders.state_of(services, later) is not JobState.CANCELLED
    assert (entry.actor, entry.action, entry.why) == (operator.name, "jobs.cancel", "a bad hour")
    page = operator.get(path)
    assert "done" in page
    assert "Foreseen 3 Done 3 Left out 0" in page
    assert "a bad hour" in page
    assert path in operator.client.get("/ops/operations").text


def test_an_operation_can_be_stopped_once(
    services: Services, owner: Owner, operator: Visitor, last_entry: Callable[[], AuditEntry]
) -> None:
    path = place(operator, kind="cancel", ids=lives.begin(services, owner))

    operator.post(f"{path}/stop", {"why": "not these"})
    again = operator.post(f"{path}/stop")

    assert (last_entry().action, last_entry().why) == ("operation.stop", "not these")
    assert again.status_code == 404
    assert "stopped since" in operator.get(path)


def test_an_export_is_downloaded(services: Services, owner: Owner, operator: Visitor) -> None:
    job_id = fail(services, owner)

    response = export(operator, job_id, services)

    head, row = response.text.splitlines()
    assert response.headers["Content-Disposition"].startswith("attachment; filename=")
    assert (head.split(",")[0], row.split(",")[0]) == ("id", str(job_id))
    assert "a lighthouse" in row


def test_an_export_with_prompts_is_for_those_only_who_may_see_them(
    services: Services, owner: Owner, operator: Visitor, uninitiated: Visitor
) -> None:
    path = place(operator, kind="export", ids=fail(services, owner), format="jsonl")
    assert Operator(services).work()

    statuses = [each.client.get(f"{path}/result").status_code for each in (operator, uninitiated)]

    assert statuses == [200, 404]


def test_what_was_never_written_cannot_be_downloaded(services: Services, owner: Owner, operator: Visitor) -> None:
    path = place(operator, kind="export", ids=lives.begin(services, owner), format="csv")

    assert operator.client.get(f"{path}/result").status_code == 404
    operator.post(f"{path}/stop")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"kind": "burn", "ids": uuid4()},
        {"kind": "cancel"},
        {"kind": "cancel", "ids": "the first"},
        {"kind": "cancel", "all": "1", "query.state": "melted"},
        {"kind": "cancel", "all": "1", "query.state": "completed"},
        {"kind": "cancel", "all": "1", "newest": "now"},
        {"kind": "reroute", "ids": uuid4(), "model": "a-model-of-nobodys"},
        {"kind": "change_lane", "ids": uuid4(), "lane": "fast"},
        {"kind": "export", "ids": uuid4(), "format": "exe"},
        {"kind": "cancel", "ids": uuid4(), "operation": "the first"},
        {"kind": "cancel", "ids": uuid4(), "operation": uuid4(), "at_most": "NaN"},
    ],
)
def test_an_order_that_makes_no_sense_is_refused_in_words(operator: Visitor, fields: dict[str, object]) -> None:
    responses = [operator.post(address, fields) for address in ("/ops/jobs/preview", "/ops/operations")]

    assert [response.status_code for response in responses] == [400, 400]
    assert "This cannot be done" in words(responses[0].text)


def test_viewers_order_nothing(services: Services, owner: Owner, viewer: Visitor, operator: Visitor) -> None:
    given = {"kind": "cancel", "ids": lives.begin(services, owner)}
    path = place(operator, **given)

    addresses = ("/ops/jobs/preview", "/ops/operations", f"{path}/stop")
    statuses = [viewer.post(address, given).status_code for address in addresses]

    assert statuses == [403, 403, 403]
    operator.post(f"{path}/stop")


def test_an_unknown_operation_is_not_found(viewer: Visitor) -> None:
    assert viewer.client.get(f"/ops/operations/{uuid4()}").status_code == 404
