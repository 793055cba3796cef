"""One synchronous call at a time: how much later the answer comes than from the upstream itself."""

from tests.bench import load
from tests.bench.house import House
from tests.bench.load import Outcome
from tests.bench.pictures import KILOBYTES
from tests.bench.table import ratio, say, show

CALLS = 300
ROUNDS = 3
WARM_UP = 60


def measure(house: House) -> None:
    rows = []
    for kilobytes in KILOBYTES:
        load.run(house.plan(kilobytes, at_once=1, calls=WARM_UP))
        rounds = [_round(house, kilobytes) for _ in range(ROUNDS)]
        through, direct = min(rounds, key=lambda pair: pair[0].percentile(50))
        failed = sum(outcome.failed for pair in rounds for outcome in pair)
        rows.append(
            [f"{kilobytes} kB", CALLS, failed, *_compare(through, direct, 50), *_compare(through, direct, 99)]
        )
    header = ["picture", "calls", "failed"]
    header += [f"{what} {which}" for which in ("p50", "p99") for what in ("through", "direct", "added", "ratio")]
    show("Latency of one call at a time, milliseconds", header, rows)
    say(f"  best of {ROUNDS} rounds by p50; failures of all rounds")


def _round(house: House, kilobytes: int) -> tuple[Outcome, Outcome]:
    direct = load.run(house.direct(kilobytes, at_once=1, calls=CALLS))
    return load.run(house.plan(kilobytes, at_once=1, calls=CALLS)), direct


def _compare(through: Outcome, direct: Outcome, percent: float) -> list[float | str]:
    ours, theirs = through.percentile(percent), direct.percentile(percent)
    return [ours, theirs, ours - theirs, ratio(ours, theirs)]
