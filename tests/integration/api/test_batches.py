"""Batches through the front end: made of a file, seen to by the clerk, and what came of them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select, text

from core import usage
from core.batches import orders
from core.bootstrap import Services
from core.errors import FailureKind
from core.images import LIFETIME
from core.orm import Batch, Delivery, File, Image, Job, JobEvent, Posting, Webhook
from core.states import Event, JobState
from tests import builders
from tests.integration.api import lives
from tests.integration.api.batching import BATCHES, ENDPOINT, PICTURE, Submitter, jsonl, line
from tests.integration.api.envelope import error_of
from tests.stack import until

DAY = 86_400
NEVER = "batch_00000000000000000000000000000000"


@pytest.fixture
def submitter(services: Services, client: FlaskClient) -> Submitter:
    lives.let_in(services)
    return Submitter.make(services, client)


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


def test_every_bad_line_is_reported_and_nothing_is_made_or_charged(submitter: Submitter) -> None:
    good, bad = line("good"), line("bad")
    body = b"\n".join(
        [
            jsonl(good).strip(),
            b"a fox",
            b"[]",
            jsonl({**bad, "custom_id": None}).strip(),
            jsonl({**bad, "custom_id": ""}).strip(),
            jsonl({**bad, "custom_id": "\ud800"}).strip(),
            jsonl({**bad, "method": None}).strip(),
            jsonl({**bad, "method": "GET"}).strip(),
            jsonl({**bad, "url": None}).strip(),
            jsonl({**bad, "url": "/v1/embeddings"}).strip(),
            jsonl({**bad, "body": None}).strip(),
            jsonl({**bad, "body": "x"}).strip(),
            jsonl(line("c1", model="dall-e-9")).strip(),
            jsonl(line("c2", stream=True)).strip(),
            jsonl(line("c3", n="2")).strip(),
            jsonl(line("c4", prompt="")).strip(),
            jsonl(line("c5", prompt="x" * 1001)).strip(),
            jsonl(line("c6", colour="red")).strip(),
            jsonl(line("c7", webhook_url="https://example.com")).strip(),
            jsonl(good).strip(),
            b"\xef\xbb\xbf" + jsonl(line("c8")).strip(),
            jsonl(line("c9", prompt="x" * 1_100_000)).strip(),
            b'{"custom_id": NaN}',
        ]
    )
    batch_id = submitter.submit(body)

    submitter.clerk.look()

    batch = submitter.batch(batch_id)
    assert (batch["status"], batch["errors"]["object"]) == ("failed", "list")
    assert batch["failed_at"] >= batch["created_at"]
    assert [(each["line"], each["code"], each["param"]) for each in batch["errors"]["data"]] == [
        (2, "invalid_json_line", None),
        (3, "invalid_json_line", None),
        (4, "missing_required_parameter", "custom_id"),
        (5, "empty_string", "custom_id"),
        (6, "invalid_value", "custom_id"),
        (7, "missing_required_parameter", "method"),
        (8, "invalid_value", "method"),
        (9, "missing_required_parameter", "url"),
        (10, "invalid_url", "url"),
        (11, "missing_required_parameter", "body"),
        (12, "invalid_type", "body"),
        (13, "model_not_found", "body.model"),
        (14, "streaming_unsupported", "body.stream"),
        (15, "invalid_type", "body.n"),
        (16, "empty_string", "body.prompt"),
        (17, "string_above_max_length", "body.prompt"),
        (18, "unknown_parameter", "body.colour"),
        (19, "unknown_parameter", "body.webhook_url"),
        (20, "duplicate_custom_id", "custom_id"),
        (21, "invalid_json_line", None),
        (22, "line_too_long", None),
        (23, "invalid_json_line", None),
    ]
    assert batch["request_counts"] == {"total": 0, "completed": 0, "failed": 0}
    assert submitter.jobs(batch_id) == []
    with submitter.services.database.transaction() as session:
        assert usage.balance(session, submitter.caller.key_id).reserved == 0


@pytest.mark.parametrize("body", [b"", b"\n\n  \r\n"])
def test_a_file_without_lines_is_refused(submitter: Submitter, body: bytes) -> None:
    batch_id = submitter.submit(body)

    submitter.clerk.look()

    [fault] = submitter.batch(batch_id)["errors"]["data"]
    assert (fault["code"], fault["param"], fault["line"]) == ("empty_file", None, None)


def test_more_lines_than_may_be_are_refused(submitter: Submitter) -> None:
    batch_id = submitter.submit(b"".join(b'{"custom_id": "%d"}\n' % number for number in range(50_001)))

    submitter.clerk.look()

    faults = submitter.batch(batch_id)["errors"]["data"]
    assert [fault["line"] for fault in faults[:5000]] == list(range(1, 5001))
    assert [(fault["code"], fault["line"]) for fault in faults[5000:]] == [("too_many_errors", None)]


@pytest.mark.parametrize("purpose", [None, "vision"])
def test_a_file_that_is_not_there_or_not_for_batches_fails_the_batch_later(
    submitter: Submitter, purpose: str | None
) -> None:
    file_id = submitter.file(jsonl(line()), purpose) if purpose else "file-abc"
    response = submitter.ask(file_id)

    submitter.clerk.look()

    assert response.get_json()["status"] == "validating"
    [fault] = submitter.batch(response.get_json()["id"])["errors"]["data"]
    assert (fault["code"], fault["param"], fault["line"]) == ("invalid_request", "file_id", None)
    assert fault["message"].startswith("Cannot find file")


def test_the_file_of_another_key_is_not_there(submitter: Submitter) -> None:
    stranger = Submitter.make(submitter.services, submitter.client)
    batch_id = submitter.ask(stranger.file(jsonl(line()))).get_json()["id"]

    submitter.clerk.look()

    assert submitter.batch(batch_id)["errors"]["data"][0]["param"] == "file_id"


def test_a_model_that_the_key_may_not_use_is_refused(submitter: Submitter) -> None:
    limited = Submitter.make(submitter.services, submitter.client, models=("dall-e-3",))
    batch_id = limited.submit(jsonl(line()))

    limited.clerk.look()

    [fault] = limited.batch(batch_id)["errors"]["data"]
    assert (fault["code"], fault["param"], fault["line"]) == ("model_not_allowed", "body.model", 1)


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


def test_a_batch_beyond_the_cap_fails_with_that_error(submitter: Submitter) -> None:
    poor = Submitter.make(submitter.services, submitter.client, cap=Decimal("0.03"))
    batch_id = poor.submit(jsonl(line("a"), line("b")))

    poor.clerk.look()

    batch = poor.batch(batch_id)
    [fault] = batch["errors"]["data"]
    assert (batch["status"], fault["code"], fault["line"]) == ("failed", "spend_cap_reached", None)
    assert (poor.jobs(batch_id), batch["reserved_usd"]) == ([], "0")


def test_what_came_of_the_lines_is_in_two_files(submitter: Submitter) -> None:
    batch_id = submitter.begun(line("a", n=2), line("b"), line("c", response_format="b64_json"))
    submitter.complete(batch_id, "a", "c")
    submitter.fail(batch_id, "b")

    submitter.clerk.look()

    batch = submitter.batch(batch_id)
    assert (batch["status"], batch["request_counts"]) == ("completed", {"total": 3, "completed": 2, "failed": 1})
    a, c = submitter.content(batch["output_file_id"])
    [b] = submitter.content(batch["error_file_id"])
    assert [set(each) for each in (a, b, c)] == [{"id", "custom_id", "response", "error"}] * 3
    assert (a["custom_id"], a["error"], a["response"]["status_code"]) == ("a", None, 200)
    assert [list(picture) for picture in a["response"]["body"]["data"]] == [["url"], ["url"]]
    assert c["response"]["body"]["data"] == [{"b64_json": PICTURE}]
    assert (b["custom_id"], b["error"], b["response"]["status_code"]) == ("b", None, 400)
    assert b["response"]["body"]["error"]["code"] == "content_policy_violation"
    assert b["response"]["request_id"].startswith("req_")
    assert b["id"].startswith("batch_req_")


def test_a_file_that_would_be_empty_is_not_there(submitter: Submitter) -> None:
    done, failed = submitter.begun(line("a")), submitter.begun(line("a"))
    submitter.complete(done)
    submitter.fail(failed, "a")

    submitter.clerk.look()

    assert submitter.batch(done)["error_file_id"] is None
    batch = submitter.batch(failed)
    assert (batch["status"], batch["output_file_id"]) == ("completed", None)
    assert batch["request_counts"] == {"total": 1, "completed": 0, "failed": 1}


def test_results_are_files_of_the_caller_and_kept_as_long_as_was_asked(submitter: Submitter) -> None:
    life = {"anchor": "created_at", "seconds": 7200}
    batch_id = submitter.begun(line("a"), output_expires_after=life)
    submitter.complete(batch_id)

    submitter.clerk.look()

    file_id = submitter.batch(batch_id)["output_file_id"]
    file = submitter.client.get(f"/v1/files/{file_id}", headers=submitter.headers).get_json()
    assert (file["purpose"], file["filename"]) == ("batch_output", f"{batch_id}_output.jsonl")
    assert file["expires_at"] == file["created_at"] + 7200
    with submitter.services.database.transaction() as session:
        image = session.scalars(select(Image).join(Job).where(Job.batch_id == batch_id)).one()
        kept = session.get_one(File, file_id).expires_at
    assert image.kept_until
    assert kept
    assert abs(image.kept_until - kept) < timedelta(seconds=5)


@pytest.mark.parametrize("way", ["file", "page"])
def test_reading_results_begins_a_new_hour_for_their_pictures(submitter: Submitter, way: str) -> None:
    batch_id = submitter.begun(line("a"))
    submitter.complete(batch_id)
    submitter.clerk.look()
    with submitter.services.database.transaction() as session:
        image = session.scalars(select(Image).join(Job).where(Job.batch_id == batch_id)).one()
        image.expires_at -= LIFETIME * 10
    assert submitter.client.get(f"/files/{image.name}").status_code == 403

    if way == "file":
        [found] = submitter.content(submitter.batch(batch_id)["output_file_id"])
    else:
        [found] = submitter.results(batch_id)["data"]

    [picture] = found["response"]["body"]["data"]
    shown = submitter.client.get(picture["url"].removeprefix(submitter.services.settings.public_url))
    assert (shown.status_code, shown.data) == (200, b"png 0")


def test_no_picture_outlives_its_batchs_results(submitter: Submitter) -> None:
    batch_id = submitter.begun(line("a"))
    submitter.complete(batch_id)
    submitter.clerk.look()
    with submitter.services.database.transaction() as session:
        image = session.scalars(select(Image).join(Job).where(Job.batch_id == batch_id)).one()
        image.expires_at = image.kept_until = builders.now(session) - timedelta(seconds=1)

    submitter.results(batch_id)

    assert submitter.client.get(f"/files/{image.name}").status_code == 403


def test_results_are_there_page_by_page_while_the_batch_runs(submitter: Submitter) -> None:
    batch_id = submitter.begun(*(line(str(number)) for number in range(1, 8)))
    submitter.complete(batch_id, "1", "2", "4", "5", "6")
    submitter.fail(batch_id, "7")

    found, after = [], 0
    while True:
        page = submitter.results(batch_id, after=after, limit=2)
        found += [each["custom_id"] for each in page["data"]]
        after = page["last_line"]
        if not page["has_more"]:
            break

    assert found == ["1", "2", "4", "5", "6", "7"]
    assert page["ended_through"] == 2
    assert submitter.results(batch_id, after=7)["data"] == []
    submitter.complete(batch_id, "3")
    assert submitter.results(batch_id, after=2)["data"][0]["custom_id"] == "3"
    assert submitter.results(batch_id, after=2)["ended_through"] == 7


def test_pages_hold_addresses_also_for_pictures_that_were_asked_for_in_themselves(submitter: Submitter) -> None:
    batch_id = submitter.begun(line("a", response_format="b64_json"))
    submitter.complete(batch_id)

    [found] = submitter.results(batch_id)["data"]

    assert [list(picture) for picture in found["response"]["body"]["data"]] == [["url"]]


def test_a_cancelled_batch_ends_what_waits_and_pays_for_what_runs(submitter: Submitter) -> None:
    batch_id = submitter.begun(line("done"), line("runs"), line("waits"))
    submitter.complete(batch_id, "done")
    claim = builders.claim(submitter.services, submitter.job(batch_id, "runs"))

    answer = submitter.call(f"{batch_id}/cancel", "POST").get_json()
    submitter.clerk.look()
    while_it_runs = submitter.batch(batch_id)
    lives.land(submitter.services, claim, 0)
    lives.complete(submitter.services, claim)
    submitter.clerk.look()

    batch = submitter.batch(batch_id)
    assert (answer["status"], while_it_runs["status"], batch["status"]) == (
        "cancelling",
        "cancelling",
        "cancelled",
    )
    assert while_it_runs["request_counts"] == {"total": 3, "completed": 1, "failed": 1}
    assert batch["request_counts"] == {"total": 3, "completed": 2, "failed": 1}
    assert batch["cancelled_at"] >= batch["cancelling_at"]
    assert [each["custom_id"] for each in submitter.content(batch["output_file_id"])] == ["done", "runs"]
    [waits] = submitter.content(batch["error_file_id"])
    assert (waits["response"], waits["error"]["code"]) == (None, "batch_cancelled")
    assert Decimal(batch["cost_usd"]) * 3 == Decimal(batch["reserved_usd"]) * 2
    with submitter.services.database.transaction() as session:
        assert usage.balance(session, submitter.caller.key_id).reserved == 0


def test_a_batch_that_is_cancelled_before_it_is_looked_at_makes_nothing(submitter: Submitter) -> None:
    batch_id = submitter.submit(jsonl(line("a")))
    submitter.call(f"{batch_id}/cancel", "POST")

    submitter.clerk.look()

    batch = submitter.batch(batch_id)
    assert (batch["status"], batch["output_file_id"], batch["error_file_id"]) == ("cancelled", None, None)
    assert submitter.jobs(batch_id) == []


def test_cancelling_twice_is_fine_and_what_has_ended_cannot_be(submitter: Submitter) -> None:
    batch_id, ended = submitter.begun(line("a")), submitter.begun(line("a"))
    submitter.complete(ended)
    submitter.clerk.look()

    again = [submitter.call(f"{batch_id}/cancel", "POST").status_code for _ in range(2)]
    refused = submitter.call(f"{ended}/cancel", "POST")

    assert again == [200, 200]
    assert refused.status_code == 409
    assert error_of(refused)["message"] == "Cannot cancel a batch with status 'completed'."
    assert refused.headers["x-should-retry"] == "false"


def test_what_has_not_begun_in_a_day_has_expired(submitter: Submitter) -> None:
    batch_id = submitter.begun(line("done"), line("late"))
    submitter.complete(batch_id, "done")
    with submitter.services.database.transaction() as session:
        session.get_one(Batch, batch_id).expires_at = builders.now(session)

    submitter.clerk.look()

    batch = submitter.batch(batch_id)
    assert (batch["status"], batch["expired_at"] is not None) == ("expired", True)
    assert batch["request_counts"] == {"total": 2, "completed": 1, "failed": 1}
    [late] = submitter.content(batch["error_file_id"])
    assert late["error"] == {
        "code": "batch_expired",
        "message": "This request could not be executed before the completion window expired.",
    }
    assert len(submitter.content(batch["output_file_id"])) == 1


def test_a_line_that_was_cancelled_alone_is_told_as_a_job_that_was(submitter: Submitter) -> None:
    batch_id = submitter.begun(line("a"))
    submitter.client.post(f"/v1/images/jobs/{submitter.job(batch_id, 'a')}/cancel", headers=submitter.headers)

    submitter.clerk.look()

    batch = submitter.batch(batch_id)
    [found] = submitter.content(batch["error_file_id"])
    assert (batch["status"], found["error"], found["response"]["status_code"]) == ("completed", None, 409)


def test_a_paused_batch_starts_nothing_until_it_is_resumed(submitter: Submitter) -> None:
    batch_id = submitter.submit(jsonl(line("a"), line("b")))
    paused = submitter.call(f"{batch_id}/pause", "POST").get_json()

    submitter.clerk.look()
    lives.let_in(submitter.services)
    held = {job.state for job in submitter.jobs(batch_id)}
    resumed = submitter.call(f"{batch_id}/resume", "POST").get_json()

    assert (paused["paused"], resumed["paused"]) == (True, False)
    assert held == {JobState.QUEUED}
    assert {job.state for job in submitter.jobs(batch_id)} == {JobState.DISPATCHED}


def test_what_a_paused_batch_tries_again_waits_too(submitter: Submitter) -> None:
    batch_id = submitter.begun(line("a"))
    claim = builders.claim(submitter.services, submitter.job(batch_id, "a"))
    submitter.call(f"{batch_id}/pause", "POST")

    lives.put_off(submitter.services, claim)

    assert lives.let_in(submitter.services) == []


def test_a_retry_is_a_batch_of_the_lines_without_pictures(submitter: Submitter) -> None:
    asked = line("bad", n=2, quality="standard", metadata={"order": "17"})
    batch_id = submitter.begun(line("good"), asked, metadata={"run": "1"})
    submitter.complete(batch_id, "good")
    submitter.fail(batch_id, "bad", FailureKind.UNAVAILABLE)
    submitter.clerk.look()
    before = submitter.jobs(batch_id)[1]

    again = submitter.call(f"{batch_id}/retry", "POST").get_json()
    submitter.clerk.look()

    [job] = submitter.jobs(again["id"])
    assert (again["status"], again["retry_of"], again["metadata"]) == ("validating", batch_id, {"run": "1"})
    assert (job.custom_id, job.request, job.metadata_) == ("bad", before.request, before.metadata_)
    submitter.complete(again["id"])
    submitter.clerk.look()
    batch = submitter.batch(again["id"])
    assert (batch["status"], batch["request_counts"]["completed"]) == ("completed", 1)


@pytest.mark.parametrize("verb", ["pause", "resume", "retry", "cancel"])
def test_what_makes_no_sense_of_a_batch_is_refused(submitter: Submitter, verb: str) -> None:
    batch_id = submitter.begun(line("a"))
    submitter.complete(batch_id)
    submitter.clerk.look()

    response = submitter.call(f"{batch_id}/{verb}", "POST")

    assert (response.status_code, error_of(response)["code"]) == (409, "batch_status")


def test_a_batch_that_has_not_ended_cannot_be_retried(submitter: Submitter) -> None:
    assert submitter.call(f"{submitter.begun(line('a'))}/retry", "POST").status_code == 409


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


def test_a_clients_automatic_retry_of_a_retry_finds_the_batch_that_it_made(submitter: Submitter) -> None:
    batch_id = submitter.begun(line("bad"))
    submitter.fail(batch_id, "bad", FailureKind.UNAVAILABLE)
    submitter.clerk.look()
    retried = {**submitter.headers, "x-stainless-retry-count": "1"}

    first = submitter.call(f"{batch_id}/retry", "POST").get_json()["id"]
    found = submitter.client.post(f"{BATCHES}/{batch_id}/retry", headers=retried).get_json()["id"]
    on_purpose = submitter.call(f"{batch_id}/retry", "POST").get_json()["id"]

    assert found == first
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
    submitter.clerk.look()
    submitter.change(batch_id, read_bytes=0)

    submitter.client.delete(f"/v1/files/{file_id}", headers=submitter.headers)

    with submitter.services.database.transaction() as session:
        key = session.get_one(File, file_id).object_key
    assert submitter.services.storage.read(key) == jsonl(line("a"))


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
