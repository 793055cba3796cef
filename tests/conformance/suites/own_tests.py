"""The tests that OpenAI ships with its Python SDK, out of the source distribution, against the sandbox."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.conformance.environments import PythonEnvironment
from tests.conformance.house import House
from tests.conformance.plan import MODEL_IDS
from tests.conformance.results import Outcome, Result
from tests.conformance.suites import pytests
from tests.conformance.suites.scripts import surroundings

_FOLDER = Path("tests", "api_resources")
_RETRIEVED = re.compile(r'(?<=retrieve\(\n            )"[^"]+"')


def images(environment: PythonEnvironment, house: House) -> Iterator[Result]:
    """All parameters at once belong to gpt-image models, and overload 2 to streams."""
    chosen = "generate and overload_1 and not all_params"
    yield from _run(environment, house, chosen, "test_images.py")


def models(environment: PythonEnvironment, house: House) -> Iterator[Result]:
    """Their tests retrieve one model of OpenAI's: ours are put in its place, one after the other."""
    folder = environment.sources() / _FOLDER
    original = (folder / "test_models.py").read_text()
    files = {f"test_models_{number}.py": model for number, model in enumerate(MODEL_IDS)}
    if not _RETRIEVED.search(original):
        yield Result("test_models.py", Outcome.FAILED, "it retrieves models in another way than it did")
        return
    for name, model in files.items():
        (folder / name).write_text(_RETRIEVED.sub(f'"{model}"', original))
    yield from _run(environment, house, "list or retrieve", *files)


def _run(environment: PythonEnvironment, house: House, chosen: str, *files: str) -> Iterator[Result]:
    yield from pytests.run(
        f"{environment.name}-{Path(files[0]).stem}",
        [environment.python, "-o", "addopts=", "-k", chosen, *(_FOLDER / name for name in files)],
        folder=environment.sources(),
        environment={**surroundings(), "PYTHONPATH": "", "TEST_API_BASE_URL": house.base_url},
    )
