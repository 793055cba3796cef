"""Thousands of calls waiting at once on one API process: what each costs in memory, and that all are answered."""

import subprocess
import time
from dataclasses import dataclass, field
from typing import Any

import psutil

from tests.bench import load, meters
from tests.bench.house import House
from tests.bench.load import Outcome
from tests.bench.meters import MEGABYTE
from tests.bench.pictures import SMALL
from tests.bench.table import ratio, say, show

CALLS = 2000
LATENCY = 15.0
WARM_UP = 300
WORKERS, SLOTS_A_WORKER = 4, 500
_WAITING = "SELECT count(*) FROM jobs WHERE settled_at IS NULL"
_CONNECTIONS = "SELECT state, count(*) FROM pg_stat_activity WHERE application_name = 'darkroom' GROUP BY state"


@dataclass(frozen=True)
class Moment:
    """How things stand when that many jobs are unsettled; megabytes by part, the load generator among them."""

    waiting: int
    megabytes: dict[str, float] = field(default_factory=dict)
    connections: dict[str, int] = field(default_factory=dict)
    activity: list[tuple[Any, ...]] = field(default_factory=list)


def measure_one_worker(house: House) -> None:
    _measure(house, f"1 worker process, {SLOTS_A_WORKER} slots")


def measure_more_workers(house: House) -> None:
    for _ in range(WORKERS - 1):
        house.add_worker()
    house.darkroom("providers", "slots", "openai", str(WORKERS * SLOTS_A_WORKER))
    _measure(house, f"{WORKERS} worker processes, {WORKERS * SLOTS_A_WORKER} slots")


def _measure(house: House, stage: str) -> None:
    load.run(house.plan(SMALL, at_once=64, calls=WARM_UP))
    before = meters.resident(house)
    limits = {"calls": CALLS, "patience": 240.0}
    process = load.start(house.plan(SMALL, at_once=CALLS, after=LATENCY, **limits))
    most = _watch(house, process)
    _report(stage, before, most, load.outcome(process))


def _watch(house: House, process: "subprocess.Popen[str]") -> Moment:
    """The moment at which most calls waited, looked for until the load ends."""
    most = Moment(0)
    while process.poll() is None:
        waiting = int(house.ask(_WAITING)[0][0])
        if waiting > most.waiting:
            most = _look(house, process, waiting)
        time.sleep(0.5)
        if waiting == 0 < most.waiting:
            break  # what the load generator prints may be more than a pipe holds
    return most


def _look(house: House, process: "subprocess.Popen[str]", waiting: int) -> Moment:
    load_generator = psutil.Process(process.pid).memory_info().rss / MEGABYTE
    return Moment(
        waiting,
        {**meters.resident(house), "(load generator)": load_generator},
        meters.postgres_connections(house),
        house.ask(_CONNECTIONS),
    )


def _report(stage: str, before: dict[str, float], most: Moment, outcome: Outcome) -> None:
    def growth(name: str) -> float:
        return most.megabytes[name] - before.get(name, 0.0)

    names = [name for name in most.megabytes if name in ("api", "postgres", "valkey") or "worker-openai" in name]
    yardstick = growth("(load generator)")
    show(
        f"Memory of {most.waiting} calls waiting at once: {stage}, upstream takes {LATENCY:.0f} s",
        ["part", "MB before", "MB while they wait", "kB a call", "to load generator"],
        [
            [
                name,
                before.get(name, 0.0),
                most.megabytes[name],
                growth(name) * 1024 / max(1, most.waiting),
                ratio(growth(name), yardstick),
            ]
            for name in [*names, "(load generator)"]
        ],
    )
    answered = f"{len(outcome.latencies)} of {CALLS} answered in {outcome.seconds:.1f} s"
    say(f"  {answered}, failed: {outcome.failures or 0}")
    say(f"  connections to Postgres while they wait: {most.connections}; by state: {dict(most.activity)}")
