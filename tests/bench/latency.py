"""One synchronous call at a time: how much later the answer comes than from the upstream itself."""

from itertools import pairwise

from tests.bench import load
from tests.bench.house import House
from tests.bench.load import Outcome
from tests.bench.pictures import LARGE, SMALL
from tests.bench.table import Cell, ratio, say, show

CALLS = {SMALL: 300, LARGE: 150}
ROUNDS = 3
WARM_UP = 60

# Medians of the newest jobs' steps, in milliseconds; `created_at` is the moment at which the transaction began.
STEPS = """
SELECT {steps} FROM (
    SELECT id, created_at AS created, settled_at AS settled FROM jobs ORDER BY id DESC LIMIT {calls}
) AS job
JOIN (SELECT job_id, at AS admitted FROM job_events WHERE event = 'admitted') AS a ON a.job_id = job.id
JOIN (SELECT job_id, at AS claimed FROM job_events WHERE event = 'claimed') AS c ON c.job_id = job.id
JOIN (SELECT job_id, sent_at AS sent, ended_at AS ended FROM provider_calls) AS p ON p.job_id = job.id
"""
MEDIAN = "percentile_cont(0.5) WITHIN GROUP (ORDER BY 1000 * extract(epoch FROM {end} - {begin}))"
MOMENTS = {
    "created": "",
    "admitted": "recorded and admitted",
    "claimed": "committed, published, delivered, claimed",
    "sent": "call put on record",
    "ended": "claim committed, called, checked, stored",
    "settled": "settled",
}


def measure(house: House) -> None:
    rows, steps = [], []
    for kilobytes, calls in CALLS.items():
        load.run(house.plan(kilobytes, at_once=1, calls=WARM_UP))
        rounds = [_round(house, kilobytes) for _ in range(ROUNDS)]
        through, direct = min(rounds, key=lambda pair: pair[0].percentile(50))
        failed = sum(outcome.failed for pair in rounds for outcome in pair)
        figures = [*_compare(through, direct, 50), *_compare(through, direct, 99)]
        rows.append([f"{kilobytes} kB", calls * ROUNDS, failed, *figures])
        steps.append(_steps(house, calls))
    header = ["picture", "calls", "failed"]
    header += [f"{what} {which}" for which in ("p50", "p99") for what in ("through", "direct", "added", "ratio")]
    show("Latency of one call at a time, milliseconds", header, rows)
    say(f"  the best of {ROUNDS} rounds by p50; failures of all rounds")
    _show_steps(steps)


def _steps(house: House, calls: int) -> list[float]:
    """The median milliseconds from each moment of the last round's jobs to the next."""
    names = list(MOMENTS)
    medians = [MEDIAN.format(begin=begin, end=end) for begin, end in pairwise(names)]
    [row] = house.ask(STEPS.format(steps=", ".join(medians), calls=calls))
    return [float(milliseconds) for milliseconds in row]


def _show_steps(steps: list[list[float]]) -> None:
    whole = [sum(column) for column in steps]
    rows: list[list[Cell]] = []
    for step, small, large in zip([*MOMENTS.values()][1:], *steps, strict=True):
        rows.append([step, small, f"{small / whole[0]:.0%}", large, f"{large / whole[1]:.0%}"])
    header = ["step", *(head for kilobytes in CALLS for head in (f"{kilobytes} kB", "share"))]
    show("Median milliseconds of each step on the ledger, last round", header, rows)


def _round(house: House, kilobytes: int) -> tuple[Outcome, Outcome]:
    direct = load.run(house.direct(kilobytes, at_once=1, calls=CALLS[kilobytes]))
    return load.run(house.plan(kilobytes, at_once=1, calls=CALLS[kilobytes])), direct


def _compare(through: Outcome, direct: Outcome, percent: float) -> list[float | str]:
    ours, theirs = through.percentile(percent), direct.percentile(percent)
    return [ours, theirs, ours - theirs, ratio(ours, theirs)]
