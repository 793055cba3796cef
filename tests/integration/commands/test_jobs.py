from uuid import UUID, uuid4

import pytest

from core import ledger
from core.bootstrap import Services
from core.errors import Failure, FailureKind
from core.states import JobState
from tests import builders
from tests.integration.commands.terminal import Run, complaint, lines


def test_a_job_is_told_from_its_beginning(run: Run, services: Services) -> None:
    job_id = builders.make_job(services)
    claim = builders.claim(services, job_id)
    with services.database.transaction() as session:
        assert ledger.fail(session, claim, Failure(FailureKind.MODERATED, "not this prompt"))

    head, *events = lines(run("jobs", "show", job_id))

    assert head == f"{job_id}  failed  dall-e-2 by openai  request req_test"
    told = [line.split("  ", 1)[1] for line in events]
    assert told == [
        "attempt 0  recorded",
        "attempt 0  admitted",
        "attempt 1  claimed",
        "attempt 1  failed  moderated: not this prompt",
    ]


def test_a_job_is_cancelled_once(run: Run, services: Services) -> None:
    job_id = builders.make_job(services)

    assert lines(run("jobs", "cancel", job_id)) == []

    assert builders.state_of(services, job_id) is JobState.CANCELLED
    assert complaint(run("jobs", "cancel", job_id)) == f"there is no job {job_id} that could be cancelled"


@pytest.mark.parametrize("command", ["show", "cancel"])
def test_a_job_that_never_was_is_said_plainly(run: Run, command: str) -> None:
    unknown: UUID = uuid4()

    assert complaint(run("jobs", command, unknown)).startswith(f"there is no job {unknown}")
