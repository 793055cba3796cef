"""A ledger of a million jobs over thirty days: what every page of the dashboard has to bear."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from core import history
from core.bootstrap import Services, assemble
from core.settings import read
from tests.bench.house import House
from tests.bench.load import ROOT
from tests.bench.table import say

SIZE = {"settled": 1_000_000, "queued": 10_000, "running": 100, "keys": 20}
STATEMENTS = Path(__file__).with_name("million.sql")


@contextmanager
def ledger(house: House) -> Iterator[Services]:
    """In a database of its own, which no part of the house knows of; it is gone with the house."""
    house.administer("CREATE DATABASE million")
    url = house.environment["DATABASE_URL"].rpartition("/")[0] + "/million"
    environment = {**house.environment, "DATABASE_URL": url}
    subprocess.run([sys.executable, "-m", "darkroom", "migrate"], cwd=ROOT, env=environment, check=True)
    services = assemble(read(environment))
    try:
        _timed("filled", _fill, services)
        _timed("added up", _add_up, services)
        _timed("analysed", _analyse, services)
        yield services
    finally:
        services.close()


def _timed(what: str, step: Callable[[Services], None], services: Services) -> None:
    begun = time.perf_counter()
    step(services)
    say(f"  {what} in {time.perf_counter() - begun:.0f} s")


def _fill(services: Services) -> None:
    with services.database.engine.connect() as connection:
        for statement in (STATEMENTS.read_text() % SIZE).strip().split(";\n"):
            connection.exec_driver_sql(statement)


def _add_up(services: Services) -> None:
    """As the scheduler does it."""
    begun, events = time.perf_counter(), 0
    while counted := _add_portion(services):
        events += counted
    say(f"  {events / (time.perf_counter() - begun):,.0f} events a second were added up")


def _add_portion(services: Services) -> int:
    with services.database.transaction() as session:
        return history.roll_up(session)


def _analyse(services: Services) -> None:
    with services.database.engine.connect() as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")
