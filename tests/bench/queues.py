"""How long it takes to find out whose turn it is, from a thousand queued jobs to a million."""

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from core import admission
from core.statements import Step
from tests.bench.house import House
from tests.bench.table import Cell, ratio, say, show

QUEUED = (1_000, 10_000, 100_000, 1_000_000)
KEYS = 20
SLOTS, BUSY = 100, 90
ROUNDS = 30
PROVIDER = "bench"  # no worker works for it

ADD = """
INSERT INTO jobs (id, provider, model, upstream_model, lane, door, key_id, request_id, request, state, lease_until)
SELECT uuidv7(), %(provider)s, 'dall-e-3', 'gpt-image-2',
    CASE WHEN number %% 10 = 0 THEN 'interactive' ELSE 'batch' END, 'async', keys.ids[1 + number %% %(keys)s],
    'req_bench', '{"n": 1}', %(state)s, CASE WHEN %(state)s = 'running' THEN timestamptz 'infinity' END
FROM generate_series(1, %(jobs)s) AS number, (
    SELECT array_agg(id) AS ids FROM (SELECT id FROM api_keys WHERE name = 'bench' ORDER BY id) AS key
) AS keys
"""
MAKE_KEYS = """
INSERT INTO api_keys (name, hash, hint)
SELECT 'bench', sha256(number::text::bytea), '' FROM generate_series(1, %s) AS number
"""


def measure(house: House) -> None:
    rows: list[list[Cell]] = []
    with _ledger(house) as ledger:
        ledger.execute(MAKE_KEYS, (KEYS,))
        ledger.execute("INSERT INTO providers (name, slots) VALUES (%s, %s)", (PROVIDER, SLOTS))
        _add(ledger, BUSY, "running")
        queued = 0
        for number in QUEUED:
            _add(ledger, number - queued, "queued")
            queued = number
            ledger.execute("VACUUM ANALYZE jobs")
            rows.append([f"{number:,}", *_medians(ledger)])
        first = rows[0]
        for row in rows:
            row.append(ratio(float(row[1]), float(first[1])))
        plan = _explain(ledger)
    header = ["queued", "one slot free", "ten slots free", "against 1,000"]
    show(f"Milliseconds to admit, {KEYS} keys in two lanes, median of {ROUNDS}", header, rows)
    say("\nThe plan with a million queued, ten slots free", bold=True)
    for line in plan:
        say(f"  {line}")


@contextmanager
def _ledger(house: House) -> Iterator["psycopg.Connection[Any]"]:
    url = house.environment["DATABASE_URL"].replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True, application_name="bench") as connection:
        yield connection


def _add(ledger: "psycopg.Connection[Any]", jobs: int, state: str) -> None:
    ledger.execute(ADD, {"provider": PROVIDER, "keys": KEYS, "jobs": jobs, "state": state})


def _medians(ledger: "psycopg.Connection[Any]") -> list[float]:
    return [statistics.median(_admit(ledger, free) for _ in range(ROUNDS)) for free in (1, 10)]


def _admit(ledger: "psycopg.Connection[Any]", free: int) -> float:
    """Milliseconds; nothing of it stays."""
    ledger.execute("UPDATE providers SET slots = %s WHERE name = %s", (BUSY + free, PROVIDER))
    step = _step()
    with ledger.transaction(force_rollback=True):
        begun = time.perf_counter()
        _run(ledger, step.statement.text, step)
        return (time.perf_counter() - begun) * 1000


def _explain(ledger: "psycopg.Connection[Any]") -> list[str]:
    step = _step()
    with ledger.transaction(force_rollback=True):
        query = b"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, BUFFERS OFF) " + step.statement.text
        plan = [str(line) for (line,) in _run(ledger, query, step)]
    return [line for line in plan if "Scan" in line or "Time" in line]


def _run(ledger: "psycopg.Connection[Any]", query: bytes, step: Step) -> list[tuple[Any, ...]]:
    values = [step.values[name] for name in step.statement.names]
    return psycopg.RawCursor(ledger).execute(query, values, prepare=True).fetchall()


def _step() -> Step:
    _, admitting = admission.steps(PROVIDER)
    return admitting
