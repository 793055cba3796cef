"""Many calls at once: calls a second, how long each takes, and whose processor time a picture costs."""

from collections import Counter
from dataclasses import dataclass

from tests.bench import load, meters
from tests.bench.house import UPSTREAM, House
from tests.bench.load import Outcome
from tests.bench.pictures import LARGE, SMALL
from tests.bench.table import Cell, ratio, say, show

CALLS = {SMALL: 2000, LARGE: 500}
AT_ONCE = (16, 64, 256)
ROUNDS = 2
SECONDS = 15.0  # after which no call begins, however many are left
CPU_AT_ONCE = 64  # where processor time is read
WARM_UP = 300
HEADER = "load,answered,failed,calls/s,other run,p50 ms,p99 ms,direct calls/s,direct p50,direct/through"


@dataclass(frozen=True)
class Run:
    """One load, and the processor seconds that each part used meanwhile."""

    outcome: Outcome
    cpu_seconds: dict[str, float]
    machine_seconds: float  # everybody's, those of the bench included


def measure(house: House) -> None:
    for kilobytes, calls in CALLS.items():
        load.run(house.plan(kilobytes, at_once=CPU_AT_ONCE, calls=WARM_UP))
        rows, used = [], []
        for at_once in AT_ONCE:
            direct = load.run(house.direct(kilobytes, at_once=at_once, calls=calls, seconds=SECONDS))
            runs = [_run(house, kilobytes, at_once) for _ in range(ROUNDS)]
            rows.append([f"{at_once} at once", *_row(runs, direct)])
            if at_once == CPU_AT_ONCE:
                used = runs
        show(f"Calls at once, {kilobytes} kB, the better of {ROUNDS} runs", HEADER.split(","), rows)
        _show_cpu(kilobytes, min(used, key=_of_ours))


def _run(house: House, kilobytes: int, at_once: int) -> Run:
    before, machine = meters.cpu_seconds(house), meters.machine_seconds()
    outcome = load.run(house.plan(kilobytes, at_once=at_once, calls=CALLS[kilobytes], seconds=SECONDS))
    after = meters.cpu_seconds(house)
    used = {name: after[name] - before[name] for name in after}
    return Run(outcome, used, meters.machine_seconds() - machine)


def _row(runs: list[Run], direct: Outcome) -> list[Cell]:
    worse, best = sorted((run.outcome for run in runs), key=lambda outcome: outcome.rate)
    failures = Counter(worse.failures) + Counter(best.failures)
    failed = ", ".join(f"{count} {name}" for name, count in failures.items()) or 0
    answered = len(best.latencies) + len(worse.latencies)
    figures = [best.rate, worse.rate, best.percentile(50), best.percentile(99), direct.rate, direct.percentile(50)]
    return [answered, failed, *figures, ratio(direct.rate, best.rate)]


def _of_ours(run: Run) -> float:
    """Processor seconds a picture, without the simulators and the upstream."""
    seconds = sum(spent for name, spent in run.cpu_seconds.items() if _is_ours(name))
    return seconds / max(1, len(run.outcome.latencies))


def _is_ours(name: str) -> bool:
    return name != UPSTREAM and not name.startswith("simulator-")


def _show_cpu(kilobytes: int, run: Run) -> None:
    pictures = max(1, len(run.outcome.latencies))
    each = {name: seconds * 1000 / pictures for name, seconds in run.cpu_seconds.items()}
    ours = {name: spent for name, spent in sorted(each.items(), key=lambda pair: -pair[1]) if _is_ours(name)}
    whole, yardstick = sum(ours.values()), each[UPSTREAM]
    rows: list[list[Cell]] = [
        [name, spent, f"{spent / whole:.0%}", ratio(spent, yardstick)] for name, spent in ours.items() if spent
    ]
    rows.append(["Darkroom whole", whole, "100%", ratio(whole, yardstick)])
    rows.append(["(upstream)", yardstick, "", ratio(yardstick, yardstick)])
    load_cpu = run.outcome.cpu_seconds * 1000 / pictures
    rows.append(["(load generator)", load_cpu, "", ratio(load_cpu, yardstick)])
    title = f"Processor milliseconds a picture of {kilobytes} kB, {CPU_AT_ONCE} at once, {pictures} pictures"
    show(title, ["part", "ms", "share", "to upstream"], rows)
    busy = sum(run.cpu_seconds.values()) + run.outcome.cpu_seconds
    seconds = run.outcome.seconds
    strangers = max(0.0, run.machine_seconds - busy) / seconds
    say(f"  all of it kept {busy / seconds:.2f} processors busy for {seconds:.1f} s, strangers {strangers:.2f}")
