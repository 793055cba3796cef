"""The tests that OpenAI ships with its Python SDK, out of the source distribution, against the sandbox."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.conformance.environments import PythonEnvironment
from tests.conformance.house import House
from tests.conformance.plan import MODEL_IDS
from tests.conformance.results import Outcome, Result
from tests.conformance.suites.scripts import surroundings

_FOLDER = Path("tests", "api_resources")
_LINE = re.compile(r"^(PASSED|FAILED|ERROR|SKIPPED) (?:\[\d+\] )?(.+?)(?: - (.*))?$", re.MULTILINE)
_RETRIEVED = re.compile(r'(?<=retrieve\(\n            )"[^"]+"')
_OUTCOMES = {"PASSED": Outcome.PASSED, "SKIPPED": Outcome.SKIPPED}


def images(environment: PythonEnvironment, house: House) -> Iterator[Result]:
    """All parameters at once belong to gpt-image models, and overload 2 to streams."""
    chosen = "generate and overload_1 and not all_params"
    yield from _pytest(environment, house, ["test_images.py"], chosen)


def models(environment: PythonEnvironment, house: House) -> Iterator[Result]:
    """Their tests retrieve one model of OpenAI's: ours are put in its place, one after the other."""
    folder = environment.sources() / _FOLDER
    original = (folder / "test_models.py").read_text()
    files = {f"test_models_{number}.py": model for number, model in enumerate(MODEL_IDS)}
    for name, model in files.items():
        (folder / name).write_text(_RETRIEVED.sub(f'"{model}"', original))
    yield from _pytest(environment, house, list(files), "list or retrieve")


def _pytest(environment: PythonEnvironment, house: House, files: list[str], chosen: str) -> Iterator[Result]:
    plain = ["-o", "addopts=", "-p", "no:cacheprovider", "--tb=short", "-rA"]
    done = subprocess.run(
        [environment.python, "-m", "pytest", *plain, "-k", chosen, *(_FOLDER / name for name in files)],
        cwd=environment.sources(),
        env={**surroundings(), "PYTHONPATH": "", "TEST_API_BASE_URL": house.base_url, "COLUMNS": "400"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    found = _LINE.findall(done.stdout)
    yield from (Result(test, _OUTCOMES.get(word, Outcome.FAILED), why) for word, test, why in found)
    if done.returncode != 0 and not found:
        yield Result(
            "pytest", Outcome.FAILED, f"exit code {done.returncode}: {(done.stdout + done.stderr)[-2000:]}"
        )
