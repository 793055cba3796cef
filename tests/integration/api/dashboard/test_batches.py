"""/ops/batches: how far each is; pause, resume, cancel, retry."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

from core.orm import AuditEntry, Batch, Job
from core.states import JobState
from tests.integration.api.batching import Submitter, jsonl, line
from tests.integration.api.dashboard.conftest import Visitor, words


def ended(submitter: Submitter) -> str:
    """A batch of two lines, one of which failed."""
    batch_id = submitter.begun(line("a"), line("b"))
    submitter.complete(batch_id, "a")
    submitter.fail(batch_id, "b")
    submitter.clerk.look()
    assert submitter.batch(batch_id)["status"] == "completed"
    return batch_id


def test_its_page_says_how_far_it_is_and_why_lines_failed(submitter: Submitter, viewer: Visitor) -> None:
    batch_id = submitter.begun(line("a"), line("b"), line("c"))
    submitter.complete(batch_id, "a")
    submitter.fail(batch_id, "b")

    page = viewer.get(f"/ops/batches/{batch_id}")

    assert "Lines 3 Completed 1 Failed 1 Cancelled 0 Under way 1" in page
    assert "moderated 1" in page
    assert "2 of 3" in viewer.get("/ops/batches?status=in_progress")
    assert batch_id not in viewer.client.get("/ops/batches?status=completed").text


def test_its_page_says_when_it_is_expected_to_have_ended(submitter: Submitter, viewer: Visitor) -> None:
    batch_id = submitter.begun(line("a"))
    with submitter.services.database.transaction() as session:
        batch = session.get_one(Batch, batch_id)
        assert batch.in_progress_at
        batch.total, batch.completed = 400, 100
        batch.in_progress_at -= timedelta(seconds=100)

    assert "Expected in 5 m" in viewer.get(f"/ops/batches/{batch_id}")
    assert "in 5 m" in viewer.get("/ops/batches")


def test_its_page_says_how_far_off_was_what_was_told_first(submitter: Submitter, viewer: Visitor) -> None:
    batch_id = ended(submitter)
    with submitter.services.database.transaction() as session:
        batch = session.get_one(Batch, batch_id)
        assert batch.ended_at
        batch.expected_at = batch.ended_at + timedelta(seconds=30)

    assert "off by 30" in viewer.get(f"/ops/batches/{batch_id}")


def test_from_whom_prompts_are_hidden_reads_nothing_that_its_owner_said(
    submitter: Submitter, uninitiated: Visitor
) -> None:
    described = submitter.begun(line("a"), metadata={"customer": "secret"})
    refused = submitter.submit(jsonl(line("a", model="secret")))
    submitter.clerk.look()

    assert "secret" not in uninitiated.get(f"/ops/batches/{described}")
    page = uninitiated.get(f"/ops/batches/{refused}")
    assert "secret" not in page
    assert "line 1 model_not_found" in page


def test_a_paused_batch_starts_nothing_until_it_is_resumed(
    submitter: Submitter, operator: Visitor, last_entry: Callable[[], AuditEntry]
) -> None:
    batch_id = submitter.begun(line("a"))

    operator.post(f"/ops/batches/{batch_id}/pause", {"why": "the bill"})
    paused, entry = operator.get(f"/ops/batches/{batch_id}"), last_entry()
    operator.post(f"/ops/batches/{batch_id}/resume")

    assert "in progress paused" in paused
    assert (entry.actor, entry.action, entry.why) == (operator.name, "batch.pause", "the bill")
    assert entry.subject == f"batch {batch_id}"
    assert last_entry().action == "batch.resume"
    assert "in progress paused" not in operator.get(f"/ops/batches/{batch_id}")


def test_a_batch_is_cancelled(
    submitter: Submitter, operator: Visitor, last_entry: Callable[[], AuditEntry]
) -> None:
    batch_id = submitter.begun(line("a"))

    operator.post(f"/ops/batches/{batch_id}/cancel")

    assert last_entry().action == "batch.cancel"
    assert "cancelling" in operator.get(f"/ops/batches/{batch_id}")


def test_its_failed_lines_become_a_batch_of_their_own(
    submitter: Submitter, operator: Visitor, last_entry: Callable[[], AuditEntry]
) -> None:
    batch_id = ended(submitter)

    response = operator.post(f"/ops/batches/{batch_id}/retry", {"back": f"/ops/batches/{batch_id}"})
    submitter.clerk.look()

    new = response.headers["Location"].rpartition("/")[2]
    assert (last_entry().action, last_entry().detail) == ("batch.retry", {"batch": new})
    assert [job.custom_id for job in submitter.jobs(new)] == ["b"]
    assert submitter.jobs(new)[0].state is not JobState.FAILED
    assert "the failed lines of" in operator.get(f"/ops/batches/{new}")


def test_its_failed_lines_are_made_again_once_though_the_form_is_sent_twice(
    submitter: Submitter, operator: Visitor
) -> None:
    batch_id = ended(submitter)

    sent = [operator.post(f"/ops/batches/{batch_id}/retry") for _ in range(2)]

    assert [response.status_code for response in sent] == [303, 303]
    assert len({response.headers["Location"] for response in sent}) == 1


def test_what_cannot_be_done_to_a_batch_is_said(submitter: Submitter, operator: Visitor) -> None:
    begun, over = submitter.begun(line("a")), ended(submitter)

    refused = [
        operator.post(f"/ops/batches/{path}")
        for path in (f"{begun}/retry", f"{over}/pause", f"{over}/cancel", "batch_of_nobody/pause")
    ]

    assert [response.status_code for response in refused] == [400] * 4
    assert "No line of this batch can be made again." in words(refused[0].text)


def test_a_batch_whose_prompts_are_forgotten_is_not_retried(submitter: Submitter, operator: Visitor) -> None:
    batch_id = ended(submitter)
    with submitter.services.database.transaction() as session:
        for job in session.scalars(select(Job).where(Job.batch_id == batch_id)):
            job.request = {**job.request, "prompt": ""}

    refused = operator.post(f"/ops/batches/{batch_id}/retry")

    assert refused.status_code == 400
    assert "The prompts of this batch are not kept any more." in words(refused.text)


def test_viewers_cannot_act(submitter: Submitter, viewer: Visitor) -> None:
    batch_id = submitter.begun(line("a"))

    deeds = ("pause", "resume", "cancel", "retry")
    statuses = [viewer.post(f"/ops/batches/{batch_id}/{deed}").status_code for deed in deeds]

    assert statuses == [403] * 4
    assert "Pause" not in viewer.get(f"/ops/batches/{batch_id}")


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/ops/batches/batch_of_nobody", 404),
        ("/ops/batches/%00", 400),
        ("/ops/batches?status=melted", 400),
        ("/ops/batches?before=tomorrow", 400),
    ],
)
def test_what_is_not_there_is_told_in_words(viewer: Visitor, address: str, status: int) -> None:
    assert viewer.client.get(address).status_code == status
