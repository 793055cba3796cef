"""Lines of a batch are held, let go and called off as their batch stands, whoever is at it at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from sqlalchemy import func, select

from core.batches import brake, orders
from core.orm import Batch, Job, Provider
from core.states import Event, JobState
from tests import builders
from tests.integration.api import lives
from tests.integration.api.batching import Submitter, jsonl, line
from tests.stack import until

# Beyond what is changed in one transaction.
MANY = brake.HELD_AT_ONCE + 100


def rest(submitter: Submitter, seconds: int) -> None:
    """Have the provider start nothing for so long."""
    with submitter.services.database.transaction() as session:
        provider = session.get_one(Provider, "openai")
        provider.paused_until = builders.now(session) + timedelta(seconds=seconds)


def standing(submitter: Submitter, batch_id: str) -> dict[tuple[str, bool], int]:
    """How many lines are in which state, held or not."""
    counted = select(Job.state, Job.held, func.count()).where(Job.batch_id == batch_id)
    with submitter.services.database.single() as session:
        rows = session.execute(counted.group_by(Job.state, Job.held)).all()
    return {(state.value, held): count for state, held, count in rows}


def test_nothing_of_a_cancelled_batch_starts_while_the_clerk_is_away(submitter: Submitter) -> None:
    rest(submitter, 60)
    batch_id = submitter.begun(line("a"), line("b"))
    submitter.call(f"{batch_id}/cancel", "POST")

    rest(submitter, 0)

    assert lives.let_in(submitter.services) == []
    assert standing(submitter, batch_id) == {(JobState.QUEUED, True): 2}


def test_a_pause_that_is_overtaken_by_a_resume_holds_nothing(submitter: Submitter) -> None:
    rest(submitter, 60)
    batch_id = submitter.begun(line("a"), line("b"))
    database = submitter.services.database
    with ThreadPoolExecutor(1) as other:
        with database.transaction() as session:
            session.execute(select(Job.id).where(Job.batch_id == batch_id).with_for_update()).all()
            pausing = other.submit(submitter.call, f"{batch_id}/pause", "POST")
            until(lambda: submitter.batch(batch_id)["paused"], "the batch is paused")
            with database.transaction() as meanwhile:
                orders.set_paused(meanwhile, batch_id, paused=False)
        assert pausing.result().status_code == 200

    assert standing(submitter, batch_id) == {(JobState.QUEUED, False): 2}


def test_all_of_many_lines_are_let_go_held_and_called_off(submitter: Submitter) -> None:
    rest(submitter, 60)
    batch_id = submitter.submit(jsonl(*(line(str(number)) for number in range(MANY))))
    submitter.call(f"{batch_id}/pause", "POST")
    submitter.clerk.look()

    stood = [standing(submitter, batch_id)]
    for verb in ("resume", "pause", "cancel"):
        submitter.call(f"{batch_id}/{verb}", "POST")
        stood.append(standing(submitter, batch_id))
    submitter.clerk.look()

    held, free = {(JobState.QUEUED, True): MANY}, {(JobState.QUEUED, False): MANY}
    assert stood == [held, free, held, held]
    assert submitter.batch(batch_id)["request_counts"] == {"total": MANY, "completed": 0, "failed": MANY}


def test_no_line_starts_that_is_read_when_its_time_is_over(submitter: Submitter) -> None:
    batch_id = submitter.submit(jsonl(line("a")))
    with submitter.services.database.transaction() as session:
        session.get_one(Batch, batch_id).expires_at = builders.now(session)

    submitter.clerk.look()

    assert submitter.batch(batch_id)["status"] == "expired"
    assert builders.events_of(submitter.services, submitter.job(batch_id, "a")) == [
        Event.RECORDED,
        Event.CANCELLED,
    ]


def test_lines_of_equal_priority_start_in_the_order_of_the_file(submitter: Submitter) -> None:
    batch_id = submitter.begun(*(line(str(number)) for number in range(200)))

    jobs = submitter.jobs(batch_id)

    assert [job.line for job in sorted(jobs, key=lambda job: job.id)] == list(range(1, 201))
