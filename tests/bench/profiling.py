"""Where the processor time goes: py-spy on the API and on a worker while many calls are under way."""

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.bench import load
from tests.bench.house import House
from tests.bench.pictures import KILOBYTES
from tests.bench.table import say, show

AT_ONCE = 64
SECONDS = 20
RATE = 100  # samples a second
TOP = 25
PARTS = ("api", "worker-openai")
_PY_SPY = Path(sys.executable).with_name("py-spy")


def measure(house: House) -> None:
    for kilobytes in KILOBYTES:
        load.run(house.plan(kilobytes, at_once=AT_ONCE, calls=300))
        process = load.start(house.plan(kilobytes, at_once=AT_ONCE, calls=10**6, seconds=SECONDS + 6))
        time.sleep(1)
        recordings = {part: _record(house, part) for part in PARTS}
        for recording in recordings.values():
            recording.wait()
        outcome = load.outcome(process)
        say(f"\n{kilobytes} kB, {AT_ONCE} at once, py-spy attached: {outcome.rate:.0f} calls/s", bold=True)
        for part in PARTS:
            _show(f"{part}, {kilobytes} kB", _file(house, part).read_text(), pictures=outcome.rate * SECONDS)


def _record(house: House, part: str) -> "subprocess.Popen[bytes]":
    pid = house.part(part)[-1].pid  # gunicorn's worker, not its master
    options = ["-d", str(SECONDS), "-r", str(RATE), "--function", "--format", "raw", "-o", str(_file(house, part))]
    command = [str(_PY_SPY), "record", *options, "--pid", str(pid)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _file(house: House, part: str) -> Path:
    return house.folder / f"{part}.raw"


def _show(title: str, raw: str, *, pictures: float) -> None:
    inclusive, own, samples = _count(raw)
    for what, counts in (("with what it calls", inclusive), ("itself", own)):
        rows: list[list[str | int | float]] = [
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
