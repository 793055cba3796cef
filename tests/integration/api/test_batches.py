"""Batches through the front end: made of a file, seen to by the clerk, and what came of them."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select, text

from core import files, usage
from core.batches import orders
from core.errors import ObjectLost
from core.orm import Batch, Delivery, File, Job, JobEvent, Posting, Webhook
from core.states import Event
from tests import builders
from tests.integration.api.batching import BATCHES, ENDPOINT, Submitter, jsonl, line
from tests.integration.api.envelope import error_of
from tests.stack import until

DAY = 86_400
NEVER = "batch_00000000000000000000000000000000"


def test_a_batch_is_told_as_openai_tells_it(submitter: Submitter) -> None:
    file_id = submitter.file(jsonl(line()))

    response = submitter.ask(file_id, metadata={"order": "17"})

    batch = response.get_json()
    nothing_yet = ("model", "errors", "output_file_id", "error_file_id", "in_progress_at", "finalizing_at")
    ends = ("completed_at", "failed_at", "expired_at", "cancelling_at", "cancelled_at", "usage", "retry_of")
    assert response.status_code == 200
    assert {name: batch.pop(name) for name in (*nothing_yet, *ends)} == dict.fromkeys((*nothing_yet, *ends))
    assert batch.pop("expires_at") == batch.pop("created_at") + DAY
    assert len(batch.pop("id").removeprefix("batch_")) == 32
    assert batch == {
        "object": "batch",
        "endpoint": ENDPOINT,
        "input_file_id": file_id,
        "completion_window": "24h",
        "status": "validating",
        "request_counts": {"total": 0, "completed": 0, "failed": 0},
        "metadata": {"order": "17"},
        "paused": False,
        "queue_position": None,
        "expected_seconds": None,
        "cost_usd": "0",
        "reserved_usd": "0",
    }


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"input_file_id": ...}, ("missing_required_parameter", "input_file_id")),
        ({"endpoint": ...}, ("missing_required_parameter", "endpoint")),
        ({"completion_window": ...}, ("missing_required_parameter", "completion_window")),
        ({"endpoint": "/v1/embeddings"}, ("invalid_value", "endpoint")),
        ({"completion_window": "48h"}, ("invalid_value", "completion_window")),
        ({"input_file_id": 7}, ("invalid_type", "input_file_id")),
        ({"input_file_id": "file-\0"}, ("invalid_value", "input_file_id")),
        ({"metadata": {"tags": ["x"]}}, ("invalid_type", "metadata.tags")),
        ({"metadata": {str(n): "" for n in range(17)}}, ("object_above_max_properties", "metadata")),
        ({"output_expires_after": 7}, ("invalid_type", "output_expires_after")),
        (
            {"output_expires_after": {"anchor": "ended_at", "seconds": 3600}},
            ("invalid_value", "output_expires_after.anchor"),
        ),
        (
            {"output_expires_after": {"anchor": "created_at", "seconds": 60}},
            ("integer_below_min_value", "output_expires_after.seconds"),
        ),
        ({"priority": 1}, ("unknown_parameter", "priority")),
    ],
)
def test_a_field_that_cannot_be_is_refused_at_once(
    submitter: Submitter, changes: dict[str, Any], fault: tuple[str, str]
) -> None:
    response = submitter.ask("file-abc", **changes)

    error = error_of(response)
    assert (response.status_code, error["code"], error["param"]) == (400, *fault)
    assert submitter.client.get(BATCHES, headers=submitter.headers).get_json()["data"] == []


def test_what_openai_says_of_metadata_is_said_here(submitter: Submitter) -> None:
    error = error_of(submitter.ask("file-abc", metadata={"tags": ["x"]}))

    assert error["message"] == "Invalid type for 'metadata.tags': expected a string, but got an array instead."


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\n\n", b""])
def test_lines_become_jobs_however_they_end(submitter: Submitter, ending: bytes) -> None:
    body = (
        ending.join(jsonl(line(name)).strip() for name in "ab") if ending else jsonl(line("a"), line("b")).strip()
    )

    batch_id = submitter.submit(body + ending)
    submitter.clerk.look()

    assert [job.custom_id for job in submitter.jobs(batch_id)] == ["a", "b"]
    batch = submitter.batch(batch_id)
    assert (batch["status"], batch["request_counts"]["total"]) == ("in_progress", 2)


def test_a_line_is_a_job_of_the_lane_for_batches_with_its_own_history(submitter: Submitter) -> None:
    batch_id = submitter.begun(line("a", n=3, metadata={"order": "17"}))

    [job] = submitter.jobs(batch_id)
    assert (job.lane, job.door, job.custom_id, job.line, job.slots) == ("batch", "batch", "a", 1, 1)
    assert (job.metadata_, job.request["n"]) == ({"order": "17"}, 3)
    assert builders.events_of(submitter.services, job.id) == [Event.RECORDED, Event.ADMITTED]
    shown = submitter.client.get(f"/v1/images/jobs/{job.id}", headers=submitter.headers).get_json()
    assert (shown["door"], shown["metadata"]) == ("batch", {"order": "17"})


def test_the_whole_price_is_reserved_and_settled_line_by_line(submitter: Submitter) -> None:
    batch_id = submitter.begun(line("a"), line("b", n=2))
    price = Decimal(submitter.batch(batch_id)["reserved_usd"])

    submitter.complete(batch_id, "a")
    submitter.fail(batch_id, "b")

    batch = submitter.batch(batch_id)
    with submitter.services.database.transaction() as session:
        balance = usage.balance(session, submitter.caller.key_id)
        moved = session.scalar(select(func.sum(Posting.amount)).where(Posting.batch_id == batch_id))
    assert price > 0
    assert Decimal(batch["cost_usd"]) == price / 3 == balance.spent
    assert [balance.reserved, moved] == [0, 0]


@pytest.mark.parametrize(
    ("path", "method"),
    [
        (NEVER, "GET"),
        (f"{NEVER}/results", "GET"),
        (f"{NEVER}/cancel", "POST"),
        (f"{NEVER}/pause", "POST"),
        (f"{NEVER}/resume", "POST"),
        (f"{NEVER}/retry", "POST"),
        ("%00", "GET"),
    ],
)
def test_a_batch_that_never_was_is_not_found(submitter: Submitter, path: str, method: str) -> None:
    response = submitter.call(path, method)

    assert response.status_code == 404
    assert str(error_of(response)["message"]).startswith("No batch found with id '")


def test_the_batches_of_others_are_not_there(submitter: Submitter) -> None:
    batch_id = submitter.begun(line("a"))
    stranger = Submitter.make(submitter.services, submitter.client)

    assert stranger.call(batch_id).status_code == 404
    assert stranger.call(f"{batch_id}/results").status_code == 404
    assert stranger.call(f"{batch_id}/cancel", "POST").status_code == 404
    assert stranger.client.get(BATCHES, headers=stranger.headers).get_json()["data"] == []


def test_pages_of_batches_are_complete_newest_first(submitter: Submitter) -> None:
    ids = [submitter.submit(b"") for _ in range(5)]

    found: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = submitter.client.get(BATCHES, query_string=query, headers=submitter.headers).get_json()
        found += [batch["id"] for batch in page["data"]]
        if not page["has_more"]:
            break
        query["after"] = page["last_id"]

    assert found == ids[::-1]


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 101}, {"order": "asc"}])
def test_a_list_of_batches_that_cannot_be_is_refused(submitter: Submitter, query: dict[str, Any]) -> None:
    response = submitter.client.get(BATCHES, query_string=query, headers=submitter.headers)

    assert response.status_code == 400


def test_a_clients_automatic_retry_finds_the_batch_that_it_made(submitter: Submitter) -> None:
    file_id = submitter.file(jsonl(line("a")))
    first = submitter.ask(file_id).get_json()["id"]

    retried = submitter.ask(file_id, headers={"x-stainless-retry-count": "1"}).get_json()["id"]
    on_purpose = submitter.ask(file_id, headers={"x-stainless-retry-count": "0"}).get_json()["id"]

    assert retried == first
    assert on_purpose != first


def test_a_clients_retry_that_overtakes_its_first_call_finds_its_batch_all_the_same(submitter: Submitter) -> None:
    file_id = submitter.file(jsonl(line("a")))
    database = submitter.services.database
    batch = Batch(
        id=orders.new_id(),
        key_id=submitter.caller.key_id,
        endpoint=ENDPOINT,
        completion_window="24h",
        input_file_id=file_id,
        request_id="req_1",
        output_seconds=DAY,
    )
    waiting = (
        select(func.count()).where(text("locktype = 'advisory' and not granted")).select_from(text("pg_locks"))
    )
    with ThreadPoolExecutor(1) as other:
        with database.transaction() as session:
            orders.take_turn(session, batch)
            orders.create(session, batch)
            retried = other.submit(submitter.ask, file_id, headers={"x-stainless-retry-count": "1"})
            until(lambda: session.scalar(waiting) == 1 or retried.done(), "the retry waits")
        assert retried.result().get_json()["id"] == batch.id


def test_a_deleted_file_is_read_to_its_end_by_its_batch(submitter: Submitter) -> None:
    file_id = submitter.file(jsonl(line("a")))
    batch_id = submitter.ask(file_id).get_json()["id"]

    submitter.client.delete(f"/v1/files/{file_id}", headers=submitter.headers)
    submitter.clerk.look()

    assert [job.custom_id for job in submitter.jobs(batch_id)] == ["a"]
    with submitter.services.database.transaction() as session:
        key = session.get_one(File, file_id).object_key
    files.sweep(submitter.services.database, submitter.services.storage, most=100)
    with pytest.raises(ObjectLost):
        submitter.services.storage.read(key)


def test_no_batch_is_made_of_a_file_that_was_deleted_before(submitter: Submitter) -> None:
    file_id = submitter.file(jsonl(line("a")))
    submitter.client.delete(f"/v1/files/{file_id}", headers=submitter.headers)
    batch_id = submitter.ask(file_id).get_json()["id"]

    submitter.clerk.look()

    assert submitter.batch(batch_id)["errors"]["data"][0]["param"] == "file_id"


def test_the_end_of_a_batch_is_owed_to_the_webhooks_of_its_key(submitter: Submitter) -> None:
    with submitter.services.database.transaction() as session:
        session.add(
            Webhook(key_id=submitter.caller.key_id, url="https://example.com", events=[], secret="whsec_x")
        )
    batch_id = submitter.begun(line("a"))
    submitter.complete(batch_id)

    submitter.clerk.look()

    with submitter.services.database.transaction() as session:
        owed = session.scalars(select(Delivery).where(Delivery.batch_id == batch_id)).all()
    assert [each.event for each in owed] == ["batch.completed"]


def test_every_line_has_one_beginning_on_the_ledger(submitter: Submitter) -> None:
    batch_id = submitter.begun(*(line(str(number)) for number in range(4001)))

    with submitter.services.database.transaction() as session:
        begun = select(func.count(), func.count(JobEvent.job_id.distinct())).join(Job, Job.id == JobEvent.job_id)
        counted = session.execute(begun.where(Job.batch_id == batch_id, JobEvent.event == Event.RECORDED)).one()
    assert tuple(counted) == (4001, 4001)
