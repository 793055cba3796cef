"""Indexes and checks over large tables are made beside work that goes on."""

import os
import subprocess
import sys
from collections.abc import Iterator

import psycopg
import pytest

from core.bootstrap import Services
from tests import builders
from tests.conftest import ROOT
from tests.stack import until

MAKING = """
SELECT pid FROM pg_stat_activity
WHERE query LIKE 'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock' AND datname = current_database()
"""
WHOLE = """
SELECT bool_and(indisvalid)
    AND to_regclass('ix_jobs_not_completed') IS NOT NULL
    AND to_regclass('ix_provider_calls_unknown') IS NOT NULL
FROM pg_index
"""


@pytest.fixture
def ledger(environment: dict[str, str]) -> Iterator[psycopg.Connection]:
    """As the migration before has left it."""
    url = environment["DATABASE_URL"].replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0004'")
        connection.execute("DROP INDEX ix_jobs_not_completed, ix_provider_calls_unknown")
        yield connection


def migrate(environment: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "darkroom", "migrate"]
    return subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def test_jobs_come_in_while_an_index_waits_and_what_was_broken_off_is_made_by_the_next(
    environment: dict[str, str], services: Services, ledger: psycopg.Connection
) -> None:
    job_id = builders.make_job(services, admit=False)
    with psycopg.connect(ledger.info.dsn, password=ledger.info.password) as slow:
        slow.execute("UPDATE jobs SET priority = 1 WHERE id = %s", [job_id])
        broken_off = migrate(environment)
        until(lambda: ledger.execute(MAKING).fetchone(), "the index waits for the slow transaction")

        builders.make_job(services, admit=False)

        [maker] = ledger.execute(MAKING).fetchone() or [None]
        ledger.execute("SELECT pg_cancel_backend(%s)", [maker])
        assert b"canceling statement" in broken_off.communicate()[1]
    assert ledger.execute(WHOLE).fetchone() == (False,)

    both = [migrate(environment), migrate(environment)]

    assert [each.communicate()[1] for each in both] == [b"", b""]
    assert ledger.execute(WHOLE).fetchone() == (True,)
    assert ledger.execute("SELECT version_num FROM alembic_version").fetchone() == ("0006",)
