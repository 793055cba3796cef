import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from core import admission, audit, ledger
from core.bootstrap import Services
from core.errors import Failure, FailureKind
from core.generation import Size
from core.operations import exports, orders, portions
from core.operations.orders import OperationRefused, Options, Order
from core.operations.selections import Selection
from core.orm import Budget, Job, JobEvent, Operation
from core.searches.search import Search, from_query
from core.states import Event, JobState, Lane, OperationKind, OperationState
from tests import builders
from tests.stack import ROOT, until
from workers.operations import Operator


def order(services: Services, kind: OperationKind, selection: Selection | None = None, **options: object) -> UUID:
    """Ordered by ada, to be done to all jobs unless a selection is given."""
    wanted = Order(kind=kind, selection=selection or Selection(), options=Options(**options))  # type: ignore[arg-type] # as given
    with services.database.transaction() as session:
        return orders.place(session, services.catalog, wanted, actor="ada", why="a test")


def operation_of(services: Services, operation_id: UUID) -> Operation:
    with services.database.transaction() as session:
        operation = orders.one(session, operation_id)
    assert operation
    return operation


def done(services: Services, operation_id: UUID) -> Operation:
    """The operation, once it was worked at."""
    assert Operator(services).work()
    return operation_of(services, operation_id)


def fail(services: Services, **limits: object) -> UUID:
    """A failed job of a key with these limits."""
    _, caller = builders.make_caller(services, **limits)
    job_id = builders.queue(services, caller)
    builders.register(services)
    assert job_id in admission.admit(services.database, "openai")
    with services.database.transaction() as session:
        claim = builders.try_to_claim(session, job_id, "worker-1")
        assert claim
        assert ledger.fail(session, claim, Failure(FailureKind.UNAVAILABLE, "away"))
    return job_id


def retries(services: Services) -> list[Job]:
    with services.database.transaction() as session:
        return list(session.scalars(select(Job).where(Job.retry_of.is_not(None)).order_by(Job.id)))


def test_all_that_match_are_cancelled_and_no_others(services: Services) -> None:
    _, caller = builders.make_caller(services)
    meant = [builders.queue(services, caller, lane=Lane.BATCH) for _ in range(3)]
    other = builders.queue(services, caller)
    operation_id = order(services, OperationKind.CANCEL, Selection(search=from_query({"lane": "batch"})))
    later = builders.queue(services, caller, lane=Lane.BATCH)

    ended = done(services, operation_id)

    assert (ended.state, ended.total, ended.done) == (OperationState.DONE, 3, 3)
    assert {builders.state_of(services, job_id) for job_id in meant} == {JobState.CANCELLED}
    assert builders.state_of(services, other) is builders.state_of(services, later) is JobState.QUEUED
    with services.database.transaction() as session:
        budget = session.get_one(Budget, caller.key_id)
    assert budget.in_flight == 2


def test_those_that_were_picked_are_cancelled_and_what_has_ended_is_left(services: Services) -> None:
    ended_before = fail(services)
    _, caller = builders.make_caller(services)
    picked, other = builders.queue(services, caller), builders.queue(services, caller)

    ended = done(services, order(services, OperationKind.CANCEL, Selection(ids=(picked, ended_before))))

    assert (ended.total, ended.done, ended.skipped, ended.failed) == (1, 1, 1, 0)
    assert builders.state_of(services, picked) is JobState.CANCELLED
    assert builders.state_of(services, other) is not JobState.CANCELLED
    assert builders.state_of(services, ended_before) is JobState.FAILED


def test_failed_jobs_are_made_again_as_new_ones_with_their_price_set_aside_anew(services: Services) -> None:
    failed = fail(services)

    ended = done(services, order(services, OperationKind.RETRY))

    (again,) = retries(services)
    old = builders.job_of(services, failed)
    assert (ended.done, ended.cost) == (1, old.price)
    assert (again.retry_of, again.request, again.key_id, again.lane) == (old.id, old.request, old.key_id, old.lane)
    assert old.state is JobState.FAILED
    with services.database.transaction() as session:
        assert session.get_one(Budget, old.key_id).reserved == again.price > 0


def test_a_job_is_made_again_once_however_often_that_is_ordered(services: Services) -> None:
    fail(services)
    done(services, order(services, OperationKind.RETRY))

    ended = done(services, order(services, OperationKind.RETRY))

    assert (ended.done, ended.skipped) == (0, 1)
    assert len(retries(services)) == 1


def test_what_a_cap_refuses_is_counted_with_the_reason(services: Services) -> None:
    failed = fail(services, cap=Decimal(1))
    with services.database.transaction() as session:
        session.execute(update(Budget).values(cap=0))

    ended = done(services, order(services, OperationKind.RETRY))

    assert (ended.state, ended.done, ended.failed) == (OperationState.DONE, 0, 1)
    assert ended.reasons == {"the key's cap is reached": 1}
    assert builders.state_of(services, failed) is JobState.FAILED


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """With a second provider."""
    return {**environment, "BFL_API_KEY": "sk-test-upstream", "BFL_BASE_URL": "http://127.0.0.1:1"}


def test_a_waiting_job_goes_elsewhere_and_a_settled_one_is_made_there_anew(services: Services) -> None:
    too_small, failed = fail(services), fail(services)
    _, caller = builders.make_caller(services)
    waiting = builders.queue(services, caller)
    with services.database.transaction() as session:
        session.get_one(Job, failed).request = builders.make_request(size=Size(1024, 1024)).to_json()
    flux = services.catalog.model("flux-1-pro")
    assert flux

    ended = done(services, order(services, OperationKind.REROUTE, model="flux-1-pro"))

    moved = builders.job_of(services, waiting)
    assert (moved.provider, moved.upstream_model, moved.model) == ("bfl", flux.upstream_model, "dall-e-2")
    assert builders.events_of(services, waiting) == [Event.RECORDED, Event.REROUTED]
    (again,) = retries(services)
    assert (again.retry_of, again.provider, again.model, again.request["model"]) == (
        failed,
        "bfl",
        "flux-1-pro",
        "flux-1-pro",
    )
    assert (ended.done, ended.failed, ended.reasons) == (2, 1, {"flux-1-pro cannot make it": 1})
    assert builders.state_of(services, too_small) is JobState.FAILED


def test_waiting_jobs_change_their_lane(services: Services) -> None:
    _, caller = builders.make_caller(services)
    slow, urgent = builders.queue(services, caller, lane=Lane.BATCH), builders.queue(services, caller)

    ended = done(services, order(services, OperationKind.CHANGE_LANE, lane=Lane.INTERACTIVE))

    assert (ended.done, ended.skipped) == (1, 1)
    assert {builders.job_of(services, job_id).lane for job_id in (slow, urgent)} == {Lane.INTERACTIVE}


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


@pytest.mark.parametrize("prompt", ["=1+1", "@SUM(A1)", "\t=1", "-2", "+2"])
def test_a_spreadsheet_takes_no_prompt_for_a_formula(services: Services, prompt: str) -> None:
    job_id = fail(services)
    with services.database.transaction() as session:
        session.get_one(Job, job_id).request = builders.make_request(prompt=prompt).to_json()

    ended = done(services, order(services, OperationKind.EXPORT, format="csv", prompts=True))

    assert ended.result
    (row,) = csv.DictReader(services.storage.read(ended.result).decode().splitlines())
    assert row["prompt"] == f"'{prompt}"


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


def test_an_operation_is_foreseen_with_its_cost(services: Services) -> None:
    failed = builders.job_of(services, fail(services))
    _, caller = builders.make_caller(services)
    builders.queue(services, caller)

    with services.database.transaction() as session:
        retry = orders.preview(
            session, services.catalog, Order(kind=OperationKind.RETRY, selection=Selection(ids=(failed.id,)))
        )
        cancel = orders.preview(session, services.catalog, Order(kind=OperationKind.CANCEL, selection=Selection()))

    assert (retry.total, retry.cost, retry.capped) == (1, failed.price, False)
    assert (cancel.total, cancel.cost, cancel.capped) == (1, Decimal(0), False)


@pytest.mark.parametrize(
    ("kind", "query"),
    [
        (OperationKind.CANCEL, {"state": "failed"}),
        (OperationKind.REROUTE, {}),
        (OperationKind.CHANGE_LANE, {}),
        (OperationKind.EXPORT, {}),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(
    services: Services, kind: OperationKind, query: dict[str, str]
) -> None:
    with pytest.raises(OperationRefused):
        order(services, kind, Selection(search=from_query(query)))


def test_who_ordered_and_who_stopped_it_is_on_the_audit(services: Services) -> None:
    operation_id = order(services, OperationKind.CANCEL, Selection(search=Search(lane=Lane.BATCH)))
    with services.database.transaction() as session:
        assert orders.stop(session, operation_id, actor="bob")
        assert not orders.stop(session, operation_id, actor="bob")

        entries = audit.page(session, subject=f"operation {operation_id}", limit=10)

    assert [(entry.actor, entry.action, entry.why) for entry in entries] == [
        ("bob", "operation.stop", None),
        ("ada", "jobs.cancel", "a test"),
    ]


def test_what_is_stopped_half_way_goes_no_further(services: Services) -> None:
    _, caller = builders.make_caller(services)
    builders.copy(services, builders.queue(services, caller), portions.MOST)
    operation_id = order(services, OperationKind.CANCEL)
    with services.database.transaction() as session:
        taken = portions.take(session)
        assert taken
        first = portions.next_portion(session, taken)
        assert portions.advance(session, services.catalog, taken, first)
        taken.position = first.last
        orders.stop(session, operation_id, actor="ada")

        assert portions.advance(session, services.catalog, taken, portions.next_portion(session, taken)) is None

    ended = operation_of(services, operation_id)
    assert (ended.state, ended.done) == (OperationState.STOPPED, portions.MOST)
    assert not Operator(services).work()


def test_a_portion_is_done_once_though_two_are_at_it(services: Services) -> None:
    fail(services)
    order(services, OperationKind.RETRY)
    with services.database.transaction() as session:
        mine = portions.take(session)
        assert mine
        assert portions.take(session) is None
        session.execute(update(Operation).values(lease_until=Operation.lease_until - portions.LEASE))
        theirs = portions.take(session)
        assert theirs
        portion = portions.next_portion(session, mine)

        assert portions.advance(session, services.catalog, theirs, portion)
        assert portions.advance(session, services.catalog, mine, portion) is None

    assert len(retries(services)) == 1


def test_an_operation_that_meets_a_bug_has_failed_and_the_next_one_is_done(services: Services) -> None:
    job_id = fail(services)
    with services.database.transaction() as session:
        session.get_one(Job, job_id).request = {"n": 1, "size": "256x256"}
    broken, next_ = order(services, OperationKind.RETRY), order(services, OperationKind.CANCEL)

    ended = done(services, broken)

    assert (ended.state, ended.done) == (OperationState.FAILED, 0)
    assert ended.error == "KeyError: the scheduler's log has more"
    assert done(services, next_).state is OperationState.DONE


@pytest.fixture
def schedulers(environment: dict[str, str], tmp_path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """One scheduler process; whatever is in the list is killed in the end."""
    running = [_scheduler(environment, tmp_path)]
    yield running
    for process in running:
        process.kill()
        process.wait()


def _scheduler(environment: dict[str, str], folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "scheduler.log").open("ab") as log:
        command = [sys.executable, "-m", "darkroom", "scheduler"]
        return subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}, stdout=log, stderr=log)


def test_five_thousand_jobs_are_cancelled_once_each_though_the_scheduler_is_killed_half_way(
    services: Services,
    environment: dict[str, str],
    schedulers: list[subprocess.Popen[bytes]],
    tmp_path: Path,
) -> None:
    total = 5000
    _, caller = builders.make_caller(services)
    builders.copy(services, builders.queue(services, caller), total - 1, held=True)
    operation_id = order(services, OperationKind.CANCEL)

    until(lambda: operation_of(services, operation_id).done > 0, "the first portion is done")
    schedulers[0].kill()
    schedulers[0].wait()
    half_way = operation_of(services, operation_id).done
    with services.database.transaction() as session:
        session.execute(update(Operation).values(lease_until=func.now()))
    schedulers.append(_scheduler(environment, tmp_path))
    until(lambda: operation_of(services, operation_id).ended_at, "all are done")

    ended = operation_of(services, operation_id)
    assert 0 < half_way < total
    assert (ended.state, ended.done, ended.skipped) == (OperationState.DONE, total, 0)
    with services.database.transaction() as session:
        cancelled = select(func.count(), func.count(JobEvent.job_id.distinct()))
        assert session.execute(cancelled.where(JobEvent.event == Event.CANCELLED)).one() == (total, total)
