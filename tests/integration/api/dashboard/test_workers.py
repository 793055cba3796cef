"""/ops/workers: which processes there are, and which are to take nothing new."""

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import update

from core import fleet
from core.bootstrap import Services
from core.fleet import Load, Orders, Process
from core.orm import AuditEntry, Worker
from core.processes import Presence
from core.states import Part
from tests.integration.api.dashboard.conftest import Visitor


def beat(services: Services, name: str, *, stopping: bool = False) -> Orders:
    """A process says that it is there."""
    process = Process(
        name=name,
        provider="openai",
        celery_name=f"celery@{name}",
        host="here",
        pid=1,
        version="1.0",
        concurrency=8,
    )
    with services.database.transaction() as session:
        return fleet.beat(session, process, Load(running=3, jobs_done=1234, rss=2**27, stopping=stopping))


def silence(services: Services, name: str) -> None:
    with services.database.transaction() as session:
        long_ago = Worker.seen_at - timedelta(minutes=5)
        session.execute(update(Worker).where(Worker.name == name).values(seen_at=long_ago))


def test_each_process_is_told_with_what_it_is_at(services: Services, viewer: Visitor) -> None:
    for name in ("alive", "lost", "ended"):
        beat(services, name, stopping=name == "ended")
    for name in ("lost", "ended"):
        silence(services, name)

    page = viewer.get("/ops/workers")

    assert "celery@alive at work openai 3" in page
    assert "1,234 128 MiB 1.0" in page
    assert "celery@lost lost" in page
    assert "celery@ended stopped" in page


def test_a_scheduler_stands_among_them_and_cannot_be_made_quiet(services: Services, operator: Visitor) -> None:
    Presence(services.database, Part.SCHEDULER).beat()

    row = next(row for row in operator.client.get("/ops/workers").text.split("<tr") if ">scheduler</td>" in row)

    assert "scheduler@" in row
    assert "at work" in row
    assert "<form" not in row


def test_a_worker_falls_quiet_and_is_roused(
    services: Services, operator: Visitor, last_entry: Callable[[], AuditEntry]
) -> None:
    beat(services, "worker-1")

    operator.post("/ops/workers/quieten", {"name": "worker-1", "why": "a new version"})
    entry = last_entry()

    assert beat(services, "worker-1").quiet
    assert (entry.actor, entry.action, entry.why) == (operator.name, "worker.quiet", "a new version")
    assert entry.subject == "worker worker-1"
    assert "celery@worker-1 quiet" in operator.get("/ops/workers")

    operator.post("/ops/workers/rouse", {"name": "worker-1"})

    assert not beat(services, "worker-1").quiet
    assert last_entry().action == "worker.rouse"


def test_an_unknown_worker_is_not_found(operator: Visitor) -> None:
    assert operator.post("/ops/workers/quieten", {"name": "nobody"}).status_code == 404
    assert operator.post("/ops/workers/rouse").status_code == 404
    assert operator.post("/ops/workers/rouse", {"name": "\0"}).status_code == 400


def test_viewers_cannot_act(services: Services, viewer: Visitor) -> None:
    beat(services, "worker-2")

    statuses = [
        viewer.post(f"/ops/workers/{deed}", {"name": "worker-2"}).status_code for deed in ("quieten", "rouse")
    ]

    assert statuses == [403, 403]
    assert not beat(services, "worker-2").quiet
