"""The scheduler does operations on many jobs, beside its duties."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from core.bootstrap import Services
from core.orm import Job, JobEvent, Operation
from core.states import Event, OperationKind, OperationState
from tests import builders
from tests.integration.core.operations.ordering import done, fail, operation_of, order
from tests.stack import ROOT, until
from workers.operations import HANDS, Operator


def test_an_operation_that_meets_a_bug_has_failed_and_the_next_one_is_done(services: Services) -> None:
    job_id = fail(services)
    with services.database.transaction() as session:
        session.get_one(Job, job_id).request = {"n": 1, "size": "256x256"}
    broken, next_ = order(services, OperationKind.RETRY), order(services, OperationKind.CANCEL)

    ended = done(services, broken)

    assert (ended.state, ended.done) == (OperationState.FAILED, 0)
    assert ended.error == "KeyError: the scheduler's log has more"
    assert done(services, next_).state is OperationState.DONE


def test_what_is_urgent_does_not_wait_behind_an_export(services: Services) -> None:
    fail(services)
    export, urgent = order(services, OperationKind.EXPORT, format="csv"), order(services, OperationKind.CANCEL)
    deeds, exports = HANDS

    assert Operator(services).work(deeds)

    assert operation_of(services, urgent).state is OperationState.DONE
    assert operation_of(services, export).state is OperationState.WAITING
    assert Operator(services).work(exports)
    assert operation_of(services, export).state is OperationState.DONE


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
