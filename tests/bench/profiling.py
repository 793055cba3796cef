"""Where the time goes with many calls under way: py-spy on the API and on a worker, and what Postgres waits for.

py-spy counts the threads that hold the interpreter's lock. Decoding, hashing and sockets run without it: see the
processor table of the throughput for all that a part uses.
"""

import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.bench import load
from tests.bench.house import House
from tests.bench.pictures import KILOBYTES
from tests.bench.table import Cell, say, show

AT_ONCE = 64
SECONDS = 20
RATE = 100  # samples a second
TOP = 25
PARTS = ("api", "worker-openai")
WAITS = """
SELECT concat_ws(' ', state, CASE WHEN state <> 'idle' THEN wait_event_type || ':' || wait_event END), count(*)
FROM pg_stat_activity WHERE application_name = 'darkroom' GROUP BY 1
"""
_OURS = re.compile(r"\((api|core|workers)/")
_PY_SPY = Path(sys.executable).with_name("py-spy")


def measure(house: House) -> None:
    for kilobytes in KILOBYTES:
        load.run(house.plan(kilobytes, at_once=AT_ONCE, calls=300))
        process = load.start(house.plan(kilobytes, at_once=AT_ONCE, calls=10**6, seconds=SECONDS + 6))
        time.sleep(1)
        recordings = {part: _record(house, part) for part in PARTS}
        waits = _postgres_waits(house, list(recordings.values()))
        outcome = load.outcome(process)
        say(f"\n{kilobytes} kB, {AT_ONCE} at once, py-spy attached: {outcome.rate:.0f} calls/s", bold=True)
        _show_waits(waits)
        for part in PARTS:
            _show(f"{part}, {kilobytes} kB", _file(house, part).read_text(), pictures=outcome.rate * SECONDS)


def _postgres_waits(house: House, until: "list[subprocess.Popen[bytes]]") -> list[Counter[str]]:
    """What Darkroom's connections were at, looked at several times a second until these processes end."""
    looks = []
    while any(process.poll() is None for process in until):
        looks.append(Counter({state: int(count) for state, count in house.ask(WAITS)}))
        time.sleep(0.2)
    return looks


def _show_waits(looks: list[Counter[str]]) -> None:
    total = sum(looks, Counter[str]())
    rows = [(what, count / len(looks)) for what, count in total.most_common()]
    show("Connections to Postgres, by what they are at", ["state and wait", "on average"], rows)


def _record(house: House, part: str) -> "subprocess.Popen[bytes]":
    pid = house.part(part)[-1].pid  # gunicorn's worker, not its master
    options = [
        "-d",
        str(SECONDS),
        "-r",
        str(RATE),
        "--gil",
        "--function",
        "--format",
        "raw",
        "-o",
        str(_file(house, part)),
    ]
    command = [str(_PY_SPY), "record", *options, "--pid", str(pid)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _file(house: House, part: str) -> Path:
    return house.folder / f"{part}.raw"


def _show(title: str, raw: str, *, pictures: float) -> None:
    inclusive, own, samples = _count(raw)
    ours = Counter({name: count for name, count in inclusive.items() if _OURS.search(name)})
    # The frames that lead to a thread's work hold most of the samples and say nothing.
    theirs = {name: count for name, count in inclusive.items() if name not in ours and count < samples / 2}
    tables = {
        "of ours, with what it calls": ours,
        "of libraries, with what it calls": Counter(theirs),
        "itself": own,
    }
    for what, counts in tables.items():
        rows: list[list[Cell]] = [
            [name, count * 1000 / RATE / pictures, f"{count / samples:.1%}"]
            for name, count in counts.most_common(TOP)
        ]
        show(f"{title}: function {what}", ["function", "ms a picture", "share"], rows)


def _count(raw: str) -> tuple[Counter[str], Counter[str], int]:
    """Samples by function, anywhere on the stack and on top of it; a line of `raw` is `frame;frame count`."""
    inclusive: Counter[str] = Counter()
    own: Counter[str] = Counter()
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        own[frames[-1]] += int(count)
        inclusive.update(dict.fromkeys(frames, int(count)))
    return inclusive, own, own.total()
