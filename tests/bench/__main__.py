"""Measures Darkroom against an instant upstream: ./run bench [NAMES]; every figure beside one of the same run."""

import os
import signal
import sys
from collections.abc import Callable

import click
import psutil

from tests.bench import batches, dashboard, fairness, latency, profiling, queues, throughput, waiting
from tests.bench.house import House, house
from tests.bench.table import say

# Each gets a sandbox of its own, so that none measures what another left behind.
BENCHMARKS: dict[str, tuple[Callable[[House], None], ...]] = {
    "latency": (latency.measure,),
    "throughput": (throughput.measure,),
    "waiting": (waiting.measure_one_worker, waiting.measure_more_workers),
    "fairness": (fairness.measure,),
    "queues": (queues.measure,),
    "batches": (batches.measure,),
    "dashboard": (dashboard.measure,),
    "profile": (profiling.measure,),
}
USUAL = ("latency", "throughput", "waiting")


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(BENCHMARKS)))
def main(names: tuple[str, ...]) -> None:
    """Measure Darkroom in front of an instant upstream.

    \b
    latency     one call at a time, against the upstream itself
    throughput  16, 64 and 256 calls at once, and processor time a picture by part
    waiting     memory of 2,000 calls that wait at once
    fairness    a caller and a small batch beside fifty thousand lines (only when named)
    queues      whose turn it is, from a thousand queued jobs to a million (only when named)
    batches     50,000 lines into jobs, against a COPY of the same rows, and memory (only when named)
    dashboard   every page of the dashboard with a million jobs in the ledger (only when named)
    profile     which functions the API's and the worker's time goes to (only when named)
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: stopped"))  # an exception, so that all is ended
    busy = os.getloadavg()[0]
    say(f"{psutil.cpu_count()} processors, load {busy:.1f} at the start; all parts, upstream and load share them")
    for name in names or USUAL:
        for measure in BENCHMARKS[name]:
            with house() as built:
                measure(built)


if __name__ == "__main__":
    main()
