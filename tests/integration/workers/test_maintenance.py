"""What the scheduler does of itself, and what it goes on doing while a part is away."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from urllib.parse import urlsplit

from sqlalchemy import func, insert, literal, select, update

from core import history
from core.bootstrap import Services
from core.images import Picture
from core.orm import Image, Job, JobEvent
from core.states import JobState
from tests import builders
from tests.stack import ROOT, until
from tests.tcp_proxy import TcpProxy
from workers import duties

MANY = history.PORTION + 1


def test_what_happened_while_nobody_counted_is_added_up_portion_by_portion(services: Services) -> None:
    builders.make_job(services, admit=False)
    again = select(Job.id, literal("retried"), func.generate_series(1, MANY))
    with services.database.transaction() as session:
        session.execute(insert(JobEvent).from_select(["job_id", "event", "attempt"], again))
        session.execute(update(JobEvent).values(at=JobEvent.at - timedelta(minutes=1)))

    def all_counted() -> bool:
        duties.add_up(services)
        with services.database.transaction() as session:
            return [row.retried for row in history.totals(session).jobs] == [MANY]

    until(all_counted, "all counted")


@contextmanager
def scheduler(environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "darkroom", "scheduler"]
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}) as process:
        yield process
        process.terminate()


def test_jobs_start_while_the_store_takes_everything_and_answers_nothing(
    services: Services, environment: dict[str, str]
) -> None:
    claim = builders.claim(services, builders.make_job(services))
    with services.database.transaction() as session:
        builders.record(session, claim, Picture(position=0, png=b"png", revised_prompt=None), "2026/a")
        session.execute(update(Image).values(expires_at=func.now() - timedelta(hours=1)))
    with closing(TcpProxy(urlsplit(environment["S3_ENDPOINT"]).netloc)) as store:
        store.silence()
        with scheduler({**environment, "S3_ENDPOINT": f"http://{store.address}"}):
            until(lambda: store.taken, "the sweeper asks the store")
            waiting = builders.make_job(services, admit=False)

            until(lambda: builders.state_of(services, waiting) is JobState.DISPATCHED, "it starts", within=10)
