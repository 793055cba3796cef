"""Files of batches that are looked at line by line before anything is made or charged."""

from decimal import Decimal

import pytest

from core import usage
from tests.integration.api.batching import Submitter, jsonl, line


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


def test_a_batch_beyond_the_cap_fails_with_that_error(submitter: Submitter) -> None:
    poor = Submitter.make(submitter.services, submitter.client, cap=Decimal("0.03"))
    batch_id = poor.submit(jsonl(line("a"), line("b")))

    poor.clerk.look()

    batch = poor.batch(batch_id)
    [fault] = batch["errors"]["data"]
    assert (batch["status"], fault["code"], fault["line"]) == ("failed", "spend_cap_reached", None)
    assert (poor.jobs(batch_id), batch["reserved_usd"]) == ([], "0")
