"""Requests that come in while the ledger or the broker goes away."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from sqlalchemy.exc import OperationalError

from core import job_ids, results
from core.bootstrap import Services
from core.database import Database
from core.intake import Intake
from core.states import JobState
from tests import builders
from tests.tcp_proxy import TcpProxy


@pytest.fixture
def ledger_line(environment: dict[str, str]) -> Iterator[TcpProxy]:
    """The line between an intake and Postgres."""
    line = TcpProxy(urlsplit(environment["DATABASE_URL"]).netloc.rpartition("@")[2])
    yield line
    line.close()


@pytest.fixture
def intake(environment: dict[str, str], services: Services, ledger_line: TcpProxy) -> Iterator[Intake]:
    direct = urlsplit(environment["DATABASE_URL"]).netloc.rpartition("@")[2]
    # With a single connection, whoever kept a broken one while looking would wait for itself.
    database = Database(environment["DATABASE_URL"].replace(direct, ledger_line.address), connections=1)
    builders.register(services)
    yield Intake(database, services.broker, services.catalog)
    database.close()


def test_a_commit_whose_answer_was_lost_is_looked_up(
    services: Services, intake: Intake, ledger_line: TcpProxy
) -> None:
    job_id, (_, caller) = job_ids.new_job_id(), builders.make_caller(services)
    intake.start_due("openai")  # a connection stands
    ledger_line.lose_answer_to(b"COMMIT")

    intake.submit(builders.make_submission(services, job_id, caller))

    assert ledger_line.answers_lost == 1
    assert builders.state_of(services, job_id) is JobState.DISPATCHED


def test_a_ledger_that_is_away_records_nothing_and_says_so(
    services: Services, intake: Intake, ledger_line: TcpProxy
) -> None:
    job_id, (_, caller) = job_ids.new_job_id(), builders.make_caller(services)
    ledger_line.cut()

    with pytest.raises(OperationalError):
        intake.submit(builders.make_submission(services, job_id, caller))

    with services.database.transaction() as session:
        assert results.job(session, job_id) is None
