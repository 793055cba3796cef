"""Batches that cannot be gone on with: their file is no longer what was accepted, or a bug is in the way."""

from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import func, select

from api.batches.clerk import Clerk
from api.batches.reading import Reader, Row
from core import usage
from core.batches import lines, progress
from core.batches.lines import Place
from core.bootstrap import assemble
from core.orm import Batch, Delivery, File, Job, Posting, Webhook
from tests import builders
from tests.integration.api import lives
from tests.integration.api.batching import Submitter, jsonl, line

CHEAP, DEAR = line("cheap"), line("dear", model="dall-e-3", size="1024x1024")
NOTHING = Decimal(0)


def accepted(submitter: Submitter, *given: dict[str, Any], made: int = 0) -> str:
    """The id of a batch as a clerk leaves it that is killed when so many of its lines are jobs."""
    batch_id = submitter.submit(jsonl(*given))
    reader = Reader(submitter.services.catalog, None, lambda _: True)
    rows = [jsonl(each) for each in given]
    ends = [Place(number, sum(map(len, rows[:number]))) for number in range(1, len(rows) + 1)]
    checked = [reader.read(Row(*row)) for row in zip(rows, ends, strict=True)]
    with submitter.services.database.transaction() as session:
        batch = session.get_one(Batch, batch_id)
        assert progress.begin(
            session, batch, total=len(rows), price=sum((each.price for each in checked), NOTHING)
        )
    with submitter.services.database.transaction() as session:
        batch = session.get_one(Batch, batch_id)
        if made:
            lines.record(session, batch, checked[:made], end=ends[made - 1])
    lives.let_in(submitter.services)
    return batch_id


def look_without(submitter: Submitter, model: str, folder: Path) -> None:
    """The next clerk sees to all batches; this model is on offer no more."""
    catalog = folder / "own.toml"
    catalog.write_text(f"models.{model}.enabled = false\n")
    with closing(assemble(replace(submitter.services.settings, catalog=str(catalog)))) as services:
        Clerk(services, Event()).look()


def moved(submitter: Submitter, batch_id: str) -> tuple[Decimal, Decimal | None, Decimal]:
    """What is still reserved, what all postings for the batch sum to, and what was spent."""
    with submitter.services.database.transaction() as session:
        balance = usage.balance(session, submitter.caller.key_id)
        posted = session.scalar(select(func.sum(Posting.amount)).where(Posting.batch_id == batch_id))
    return balance.reserved, posted, balance.spent


def test_a_batch_fails_whose_model_leaves_before_a_line_is_made(submitter: Submitter, tmp_path: Path) -> None:
    batch_id = accepted(submitter, CHEAP, DEAR)

    look_without(submitter, "dall-e-3", tmp_path)

    batch = submitter.batch(batch_id)
    [fault] = batch["errors"]["data"]
    assert (batch["status"], batch["failed_at"] is not None) == ("failed", True)
    assert (fault["code"], fault["param"], fault["line"]) == ("model_not_found", "body.model", 2)
    assert fault["message"] == "The provided model 'dall-e-3' is not supported by the Batch API."
    assert batch["request_counts"] == {"total": 0, "completed": 0, "failed": 0}
    assert (batch["reserved_usd"], moved(submitter, batch_id)) == ("0", (NOTHING, NOTHING, NOTHING))


def test_what_was_made_before_its_model_left_is_paid_and_delivered(submitter: Submitter, tmp_path: Path) -> None:
    done, waits = line("done"), line("waits")
    batch_id = accepted(submitter, done, waits, DEAR, made=2)
    submitter.complete(batch_id, "done")

    look_without(submitter, "dall-e-3", tmp_path)

    batch = submitter.batch(batch_id)
    [told] = submitter.content(batch["output_file_id"])
    [called_off] = submitter.content(batch["error_file_id"])
    assert (batch["status"], [each["line"] for each in batch["errors"]["data"]]) == ("failed", [3])
    assert batch["request_counts"] == {"total": 2, "completed": 1, "failed": 1}
    assert (told["custom_id"], told["response"]["status_code"]) == ("done", 200)
    assert (called_off["custom_id"], called_off["error"]["code"]) == ("waits", "batch_cancelled")
    assert moved(submitter, batch_id) == (NOTHING, NOTHING, Decimal(batch["cost_usd"]))


def test_what_runs_when_the_model_of_another_line_leaves_is_finished_first(
    submitter: Submitter, tmp_path: Path
) -> None:
    batch_id = accepted(submitter, CHEAP, DEAR, made=1)
    claim = builders.claim(submitter.services, submitter.job(batch_id, "cheap"))

    look_without(submitter, "dall-e-3", tmp_path)
    meanwhile = submitter.batch(batch_id)
    lives.land(submitter.services, claim, 0)
    lives.complete(submitter.services, claim)
    submitter.clerk.look()

    batch = submitter.batch(batch_id)
    assert (meanwhile["status"], batch["status"]) == ("cancelling", "failed")
    assert (len(meanwhile["errors"]["data"]), batch["failed_at"] is not None) == (1, True)
    assert [each["custom_id"] for each in submitter.content(batch["output_file_id"])] == ["cheap"]


@pytest.mark.parametrize("made", [0, 1])
def test_a_batch_fails_whose_file_is_lost(submitter: Submitter, made: int) -> None:
    batch_id = accepted(submitter, CHEAP, DEAR, made=made)
    with submitter.services.database.transaction() as session:
        file = session.get_one(File, submitter.batch(batch_id)["input_file_id"])
    submitter.services.storage.remove([file.object_key])

    submitter.clerk.look()

    if made:
        submitter.complete(batch_id)
        submitter.clerk.look()
    batch = submitter.batch(batch_id)
    [fault] = batch["errors"]["data"]
    assert (batch["status"], fault["code"], fault["param"]) == ("failed", "invalid_request", "file_id")
    assert fault["message"].endswith("its content is lost.")
    assert moved(submitter, batch_id)[0] == 0


def test_a_batch_whose_file_is_lost_before_it_was_looked_at_is_refused(submitter: Submitter) -> None:
    batch_id = submitter.submit(jsonl(CHEAP))
    with submitter.services.database.transaction() as session:
        file = session.get_one(File, submitter.batch(batch_id)["input_file_id"])
    submitter.services.storage.remove([file.object_key])

    submitter.clerk.look()

    batch = submitter.batch(batch_id)
    assert (batch["status"], batch["errors"]["data"][0]["param"]) == ("failed", "file_id")


def test_the_failure_of_a_batch_is_owed_to_the_webhooks_of_its_key(submitter: Submitter, tmp_path: Path) -> None:
    with submitter.services.database.transaction() as session:
        hook = Webhook(key_id=submitter.caller.key_id, url="https://example.com", events=[], secret="whsec_x")
        session.add(hook)
    batch_id = accepted(submitter, DEAR)

    look_without(submitter, "dall-e-3", tmp_path)

    with submitter.services.database.transaction() as session:
        owed = session.scalars(select(Delivery.event).where(Delivery.batch_id == batch_id)).all()
    assert owed == ["batch.failed"]


def test_a_clerk_that_was_taken_for_dead_adds_nothing_to_a_batch_that_was_broken_off(
    submitter: Submitter, tmp_path: Path
) -> None:
    batch_id = accepted(submitter, CHEAP, DEAR)
    with submitter.services.database.transaction() as session:
        before = session.get_one(Batch, batch_id)
    look_without(submitter, "dall-e-3", tmp_path)
    checked = Reader(submitter.services.catalog, None, lambda _: True).read(Row(jsonl(CHEAP), Place(1, 1)))

    with pytest.raises(lines.Overtaken), submitter.services.database.transaction() as session:
        lines.record(session, before, [checked], end=Place(1, 1))

    assert submitter.jobs(batch_id) == []


def test_a_bug_that_one_batch_brings_out_keeps_no_other_waiting(
    submitter: Submitter, capfd: pytest.CaptureFixture[str]
) -> None:
    stuck, fine = submitter.begun(CHEAP), submitter.begun(CHEAP)
    submitter.complete(stuck)
    submitter.complete(fine)
    garble(submitter, stuck, "tiff")

    submitter.clerk.look()

    assert (submitter.batch(stuck)["status"], submitter.batch(fine)["status"]) == ("finalizing", "completed")
    logged = "".join(capfd.readouterr())
    assert ("batch.stuck" in logged, "'tiff' is not a valid ResponseFormat" in logged) == (True, True)
    garble(submitter, stuck, "url")
    Clerk(submitter.services, Event()).look()
    assert submitter.batch(stuck)["status"] == "completed"


@pytest.mark.parametrize("made", [0, 1])
@pytest.mark.parametrize("ends", ["cancelled", "overdue"])
def test_what_a_bug_keeps_from_being_read_ends_with_its_time_all_the_same(
    submitter: Submitter, ends: str, made: int
) -> None:
    batch_id = accepted(submitter, CHEAP, DEAR, made=made)
    lose_track(submitter, batch_id)
    submitter.clerk.look()
    meanwhile = submitter.batch(batch_id)

    end_time(submitter, batch_id, ends)
    Clerk(submitter.services, Event()).look()  # not the one that lets it rest
    if made:
        submitter.complete(batch_id, "cheap")
    Clerk(submitter.services, Event()).look()

    batch = submitter.batch(batch_id)
    [fault] = batch["errors"]["data"]
    assert (meanwhile["status"], batch["status"]) == ("in_progress", "failed")
    assert fault["message"].endswith("the service failed to read it to its end in time.")
    assert (batch["request_counts"]["completed"], moved(submitter, batch_id)[0]) == (made, NOTHING)


def test_what_a_bug_keeps_from_being_validated_fails_with_its_time(submitter: Submitter) -> None:
    batch_id = submitter.submit(jsonl(CHEAP))
    lose_track(submitter, batch_id)
    submitter.clerk.look()
    meanwhile = submitter.batch(batch_id)

    end_time(submitter, batch_id, "overdue")
    Clerk(submitter.services, Event()).look()

    assert (meanwhile["status"], submitter.batch(batch_id)["status"]) == ("validating", "failed")


def lose_track(submitter: Submitter, batch_id: str) -> None:
    """The file of a batch has a place in the store that no release of ours writes, or knows how to read."""
    with submitter.services.database.transaction() as session:
        session.get_one(File, session.get_one(Batch, batch_id).input_file_id).object_key = ""


def end_time(submitter: Submitter, batch_id: str, how: str) -> None:
    if how == "cancelled":
        assert submitter.call(f"{batch_id}/cancel", "POST").status_code == 200
    else:
        with submitter.services.database.transaction() as session:
            session.get_one(Batch, batch_id).expires_at = builders.now(session)


def garble(submitter: Submitter, batch_id: str, response_format: str) -> None:
    """What no release of ours writes, or knows how to read."""
    with submitter.services.database.transaction() as session:
        job = session.scalars(select(Job).where(Job.batch_id == batch_id)).one()
        job.request = {**job.request, "response_format": response_format}
