"""What is told of a file that was refused: it can be kept and read, whatever is in its lines."""

from typing import Any

import pytest

from api.batches.reading import LONGEST_TEXT, MOST_TEXT
from core.orm import Batch
from tests.integration.api.batching import BATCHES, Submitter, jsonl, line


def faults(batch: dict[str, Any]) -> list[dict[str, Any]]:
    assert batch["status"] == "failed"
    told: list[dict[str, Any]] = batch["errors"]["data"]
    return told


@pytest.mark.parametrize(
    ("bad", "code", "param"),
    [
        ({**line(), "method": "\0"}, "invalid_value", "method"),
        (line(model="\0"), "model_not_found", "body.model"),
        (line(model="\ud800"), "model_not_found", "body.model"),
        (line("a", **{"\0": 1}), "unknown_parameter", "body.?"),
        (line(metadata={"\0": 1}), "invalid_type", "body.metadata.?"),
        (line(quality="\ud800"), "invalid_value", "body.quality"),
    ],
    ids=ascii,
)
def test_what_is_no_text_in_a_line_is_told_without_it(
    submitter: Submitter, bad: dict[str, Any], code: str, param: str
) -> None:
    batch_id = submitter.submit(jsonl(bad))

    submitter.clerk.look()

    [fault] = faults(submitter.batch(batch_id))
    assert (fault["code"], fault["param"], fault["line"]) == (code, param, 1)


def test_what_a_fault_quotes_is_cut_and_the_rest_of_it_stands(submitter: Submitter) -> None:
    batch_id = submitter.submit(jsonl({**line(), "method": "x" * 1_000_000}, line("b", **{"y" * 1_000_000: 1})))

    submitter.clerk.look()

    method, unknown = faults(submitter.batch(batch_id))
    assert method["message"].startswith("Invalid value: 'xxx")
    assert method["message"].endswith("xxx'. Supported values are: 'POST'.")
    assert max(len(each) for each in (method["message"], unknown["message"], unknown["param"])) <= LONGEST_TEXT + 1


def test_the_faults_of_a_batch_are_bounded_in_all(submitter: Submitter) -> None:
    long = "x" * 1000
    batch_id = submitter.submit(jsonl(*(line(str(number), **{long: 1}) for number in range(3000))))

    submitter.clerk.look()

    *listed, rest = faults(submitter.batch(batch_id))
    assert sum(len(each["message"]) + len(each["param"]) for each in listed) <= MOST_TEXT
    assert (rest["code"], rest["message"]) == (
        "too_many_errors",
        f"{3000 - len(listed)} more lines are at fault.",
    )


def test_blank_lines_are_limited_too(submitter: Submitter) -> None:
    batch_id = submitter.submit(jsonl(line()) + b"\n" * 100_000)

    submitter.clerk.look()

    [fault] = faults(submitter.batch(batch_id))
    assert (fault["code"], fault["line"]) == ("too_many_tasks", None)


def test_blank_lines_between_others_are_read_over(submitter: Submitter) -> None:
    batch_id = submitter.submit(jsonl(line("a")) + b"\n" * 12_000 + jsonl(line("b")) + b"\n" * 6_000)

    submitter.clerk.look()

    assert [(job.custom_id, job.line) for job in submitter.jobs(batch_id)] == [("a", 1), ("b", 12_002)]
    with submitter.services.database.transaction() as session:
        assert session.get_one(Batch, batch_id).read_lines == 18_002


def test_a_list_of_batches_has_the_first_ten_faults_of_each(submitter: Submitter) -> None:
    batch_id = submitter.submit(b"a fox\n" * 12)
    fine = submitter.submit(jsonl(line()))
    submitter.clerk.look()

    listed = submitter.client.get(BATCHES, headers=submitter.headers).get_json()["data"]

    assert [each["id"] for each in listed] == [fine, batch_id]
    assert listed[0]["errors"] is None
    assert [each["line"] for each in faults(listed[1])] == list(range(1, 11))
    assert len(faults(submitter.batch(batch_id))) == 12
