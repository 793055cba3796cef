"""What a caller does with a batch that was begun: cancels it, pauses it, has its failed lines made again."""

from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import delete

from core import usage
from core.errors import FailureKind
from core.orm import Batch, Job, JobEvent
from core.states import JobState
from tests import builders
from tests.integration.api import lives
from tests.integration.api.batching import BATCHES, Submitter, jsonl, line
from tests.integration.api.envelope import error_of


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


@pytest.mark.parametrize("words", ["the prompt of a line", "a whole job"])
def test_a_batch_whose_words_are_forgotten_cannot_be_retried(submitter: Submitter, words: str) -> None:
    batch_id = submitter.begun(line("a"), line("b"))
    for custom_id in "ab":
        submitter.fail(batch_id, custom_id)
    submitter.clerk.look()
    forget(submitter, submitter.job(batch_id, "b"), all_of_it=words == "a whole job")

    response = submitter.call(f"{batch_id}/retry", "POST")

    assert (response.status_code, error_of(response)["code"]) == (409, "prompts_forgotten")
    assert response.headers["x-should-retry"] == "false"


def forget(submitter: Submitter, job_id: UUID, *, all_of_it: bool) -> None:
    """As retention does, of this job alone."""
    with submitter.services.database.transaction() as session:
        job = session.get_one(Job, job_id)
        job.request = {**job.request, "prompt": ""}
        if all_of_it:
            session.execute(delete(JobEvent).where(JobEvent.job_id == job_id))
            session.delete(job)


@pytest.mark.parametrize("verb", ["pause", "resume", "retry", "cancel"])
def test_what_makes_no_sense_of_a_batch_is_refused(submitter: Submitter, verb: str) -> None:
    batch_id = submitter.begun(line("a"))
    submitter.complete(batch_id)
    submitter.clerk.look()

    response = submitter.call(f"{batch_id}/{verb}", "POST")

    assert (response.status_code, error_of(response)["code"]) == (409, "batch_status")


def test_a_batch_that_has_not_ended_cannot_be_retried(submitter: Submitter) -> None:
    assert submitter.call(f"{submitter.begun(line('a'))}/retry", "POST").status_code == 409


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
