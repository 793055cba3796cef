"""Runs pytest and tells each test's outcome; all it said is kept for whoever wants to know more."""

import re
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.conformance.environments import CACHE
from tests.conformance.results import Outcome, Result

_LONGEST_SECONDS = 600
_LINE = re.compile(r"^(PASSED|FAILED|ERROR|SKIPPED) (?:\[\d+\] )?(.+?)(?: - (.*))?$", re.MULTILINE)
_OUTCOMES = {"PASSED": Outcome.PASSED, "SKIPPED": Outcome.SKIPPED}


def run(
    name: str, command: Sequence[str | Path], *, folder: Path, environment: Mapping[str, str]
) -> Iterator[Result]:
    """`command` is a Python and arguments for pytest; `name` is that of the log."""
    log = CACHE / f"{name}.log"
    python, *arguments = command
    options = ["-p", "no:cacheprovider", "--tb=short", "-rA"]
    end = _end([python, "-m", "pytest", *options, *arguments], log, folder, environment)
    found = _LINE.findall(log.read_text())
    for word, test, why in found:
        outcome = _OUTCOMES.get(word, Outcome.FAILED)
        yield Result(test, outcome, f"{why} (more in {log})" if outcome is Outcome.FAILED else why)
    if end != "0" and not any(word not in _OUTCOMES for word, _, _ in found):
        yield Result("pytest", Outcome.FAILED, f"ended with {end} (more in {log})")


def _end(command: Sequence[str | Path], log: Path, folder: Path, environment: Mapping[str, str]) -> str:
    whole_lines = {**environment, "CI": "1"}
    with (
        log.open("w") as said,
        subprocess.Popen(command, cwd=folder, env=whole_lines, stdout=said, stderr=said) as process,
    ):
        try:
            return str(process.wait(_LONGEST_SECONDS))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            return f"nothing within {_LONGEST_SECONDS} s"
        except BaseException:
            process.send_signal(signal.SIGINT)  # killed, it would leave behind the servers it has started
            raise
