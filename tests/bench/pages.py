"""How long each page of the dashboard takes where everything on it is read anew."""

import secrets
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from flask.testing import FlaskClient
from sqlalchemy import event, select

from api.app import create_app
from api.waiting import WaitingRoom
from core import users
from core.bootstrap import Services
from core.orm import ApiKey, Batch, Job
from core.states import JobState, Role
from tests.bench.table import Cell

ROUNDS = 7
WINDOWS = ("1h", "24h", "7d", "30d")
SPANS = (timedelta(hours=1), timedelta(days=3))
FILTERS = (
    *("", "?state=queued", "?state=failed", "?state=cancelled", "?provider=midjourney", "?model=dall-e-2"),
    *("?lane=batch", "?error=moderated", "?cost_from=0.06", "?doubt=1", "?gone=1", "?q=req_9999"),
    *("?state=completed", "?door=async", "?cost_to=0.001", "?state=completed&provider=bfl&gone=1"),
)


def measure(services: Services) -> list[list[Cell]]:
    """Page, milliseconds (p50 and longest), statements and kilobytes of each, as an admin sees it."""
    client = _sign_in(services)
    return [[path, *_look(services, client, path)] for path in _paths(services)]


def _sign_in(services: Services) -> FlaskClient:
    with services.database.transaction() as session:
        user = users.create(session, "bench", Role.ADMIN, secrets.token_urlsafe())
        token = users.sign_in(session, user, seconds=3600).token
    client = create_app(services, WaitingRoom(services.database, services.notifier)).test_client()
    client.set_cookie("ops_session", token, path="/ops")
    # Whoever has just done something is shown nothing that was read before.
    client.set_cookie("ops_notice", "done", path="/ops")
    return client


def _paths(services: Services) -> list[str]:
    with services.database.transaction() as session:
        job_id = session.scalar(select(Job.id).where(Job.state == JobState.FAILED).limit(1))
        batch_id = session.scalar(select(Batch.id).order_by(Batch.created_at).limit(1))
        key_id = session.scalar(select(ApiKey.id).order_by(ApiKey.id).limit(1))
    week_ago = datetime.now(UTC) - timedelta(days=7)
    return [
        *(f"/ops/?window={window}" for window in WINDOWS),
        *(f"/ops/jobs{query}" for query in FILTERS),
        *(f"/ops/jobs?key={key_id}", f"/ops/jobs?key={key_id}&state=failed", f"/ops/jobs?before={job_id}"),
        *(f"/ops/jobs?batch={batch_id}", f"/ops/jobs?batch={batch_id}&state=failed"),
        *(f"/ops/jobs?{urlencode({'since': week_ago, 'until': week_ago + span})}" for span in SPANS),
        f"/ops/jobs?q={str(job_id)[:9]}",
        f"/ops/jobs/{job_id}",
        *("/ops/batches", f"/ops/batches/{batch_id}", "/ops/providers", "/ops/workers"),
        *("/ops/gallery", "/ops/gallery?model=dall-e-2", f"/ops/gallery?key={key_id}"),
        *("/ops/keys", f"/ops/keys/{key_id}"),
        *(f"/ops/money?window={window}" for window in WINDOWS),
        *("/ops/money?by=key", "/ops/money?by=model", f"/ops/money?key={key_id}"),
        *("/ops/webhooks", "/ops/webhooks?state=failed", "/ops/operations", "/ops/audit"),
    ]


def _look(services: Services, client: FlaskClient, path: str) -> list[Cell]:
    client.get(path)  # templates are made ready once in the life of a process
    times, sizes = [], []
    with _counted(services) as statements:
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            response = client.get(path)
            times.append((time.perf_counter() - begun) * 1000)
            if response.status_code != 200:
                raise SystemExit(f"{path}: {response.status}")
            sizes.append(len(response.data) / 1024)
    return [statistics.median(times), max(times), len(statements) // ROUNDS, statistics.median(sizes)]


@contextmanager
def _counted(services: Services) -> Iterator[list[str]]:
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(services.database.engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(services.database.engine, "before_cursor_execute", note)
