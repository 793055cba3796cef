"""Jobs are written out, for spreadsheets and scripts."""

import csv
import json
from collections.abc import Iterable
from uuid import UUID

import pytest
from sqlalchemy import update

from core.bootstrap import Services
from core.operations import exports, orders, portions
from core.orm import Job, Operation
from core.states import OperationKind, OperationState
from core.storage import Storage
from tests import builders
from tests.integration.core.operations.ordering import done, fail, operation_of, order


@pytest.mark.parametrize("prompts", [True, False])
def test_an_export_has_every_job_and_prompts_for_those_only_who_may_see_them(
    services: Services, *, prompts: bool
) -> None:
    failed = fail(services)
    builders.copy(services, failed, portions.MOST)

    ended = done(services, order(services, OperationKind.EXPORT, format="jsonl", prompts=prompts))

    assert ended.result
    rows = [json.loads(line) for line in services.storage.read(ended.result).splitlines()]
    assert (len(rows), ended.done) == (portions.MOST + 1, portions.MOST + 1)
    assert (rows[0]["id"], rows[0]["state"], rows[0]["error"]) == (str(failed), "failed", "unavailable")
    assert {"prompt" in row for row in rows} == {prompts}


@pytest.mark.parametrize("prompt", ["=1+1", "@SUM(A1)", "\t=1", "-2", "+2", "\n=1", "\N{FULLWIDTH EQUALS SIGN}1"])
def test_a_spreadsheet_takes_no_prompt_for_a_formula(services: Services, prompt: str) -> None:
    job_id = fail(services)
    with services.database.transaction() as session:
        session.get_one(Job, job_id).request = builders.make_request(prompt=prompt).to_json()

    ended = done(services, order(services, OperationKind.EXPORT, format="csv", prompts=True))

    assert ended.result
    (row,) = csv.DictReader(services.storage.read(ended.result).decode().splitlines(keepends=True))
    assert row["prompt"] == f"'{prompt}"


class SlowStore(Storage):
    """By the time that it has taken an export, ada has stopped that."""

    def __init__(self, services: Services, operation_id: UUID) -> None:
        it = services.settings
        super().__init__(it.s3_endpoint, it.s3_access_key, it.s3_secret_key, bucket=it.s3_bucket)
        self._services, self._operation_id = services, operation_id

    def put_pieces(self, key: str, pieces: Iterable[bytes], *, most: int = 0) -> int:
        written = super().put_pieces(key, pieces, most=most)
        with self._services.database.transaction() as session:
            assert orders.stop(session, self._operation_id, actor="ada")
        return written


def test_an_export_that_is_stopped_in_the_last_moment_leaves_nothing(services: Services) -> None:
    fail(services)
    operation_id = order(services, OperationKind.EXPORT, format="csv")
    with services.database.transaction() as session:
        taken = portions.take(session)
    assert taken

    exports.export(services.database, SlowStore(services, operation_id), taken, goes_on=lambda: True)

    assert operation_of(services, operation_id).state is OperationState.STOPPED
    assert list(services.storage.objects(f"exports/{operation_id}")) == []


def test_an_export_is_deleted_after_a_day(services: Services) -> None:
    operation_id = order(services, OperationKind.EXPORT, format="csv")
    key = done(services, operation_id).result
    assert key
    assert exports.sweep(services.database, services.storage) == 0
    with services.database.transaction() as session:
        session.execute(update(Operation).values(ended_at=Operation.ended_at - exports.KEPT))

    assert exports.sweep(services.database, services.storage) == 1

    assert operation_of(services, operation_id).result is None
    assert exports.sweep(services.database, services.storage) == 0
