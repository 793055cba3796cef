"""What came of the lines of a batch: files, pages, and how long their pictures live."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from core.images import LIFETIME
from core.orm import Batch, File, Image, Job
from tests import builders
from tests.integration.api.batching import PICTURE, Submitter, line
from workers import duties


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


def test_no_picture_goes_before_its_batch_has_ended_however_late_that_is(submitter: Submitter) -> None:
    life = {"anchor": "created_at", "seconds": 3600}
    batch_id = submitter.begun(line("a", response_format="b64_json"), output_expires_after=life)
    with submitter.services.database.transaction() as session:
        session.get_one(Batch, batch_id).expires_at = builders.now(session) - timedelta(days=7)
    submitter.complete(batch_id)

    duties.sweep(submitter.services)
    submitter.clerk.look()

    [found] = submitter.content(submitter.batch(batch_id)["output_file_id"])
    assert found["response"]["body"]["data"] == [{"b64_json": PICTURE}]


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
