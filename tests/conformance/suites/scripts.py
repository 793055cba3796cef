"""A client's script in the client's own environment; what it has saved is looked at here."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from tests.conformance.environments import NodeEnvironment, PythonEnvironment
from tests.conformance.house import House
from tests.conformance.plan import plan
from tests.conformance.results import Outcome, Result
from tests.sandboxes import ROOT

_LONGEST_SECONDS = 240


def run(environment: PythonEnvironment | NodeEnvironment, script: str, house: House) -> Iterator[Result]:
    command = environment.command(script)
    try:
        done = subprocess.run(
            command,
            input=plan(house),
            cwd=house.folder,
            env=surroundings(),
            capture_output=True,
            text=True,
            timeout=_LONGEST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        yield Result("the script ends", Outcome.FAILED, f"not within {_LONGEST_SECONDS} s")
        return
    yield from (_result(json.loads(line)) for line in done.stdout.splitlines() if line.startswith("{"))
    if done.returncode != 0:
        yield Result("the script ends well", Outcome.FAILED, f"exit code {done.returncode}: {done.stderr[-2000:]}")


def surroundings() -> dict[str, str]:
    """No key, proxy or Python path of the person's own."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"}


def _result(line: dict[str, str]) -> Result:
    why = line.get("failure") or _fault_of(line)
    return Result(line["check"], Outcome.FAILED if why else Outcome.PASSED, why)


def _fault_of(line: dict[str, str]) -> str:
    if "picture" not in line:
        return ""
    made = described(Path(line["picture"]))
    return "" if made == f"PNG {line['size']}" else f"asked for a PNG {line['size']}, got {made}"


def described(picture: Path) -> str:
    try:
        with Image.open(picture) as image:
            image.load()
            return f"{image.format} {image.width}x{image.height}"
    except OSError as fault:
        return f"no picture: {fault}"
