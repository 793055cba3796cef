"""Two commands as a person types them: ask for a picture, save it."""

import json
import shutil
import subprocess
from collections.abc import Iterator

from tests.conformance.environments import NotHere
from tests.conformance.house import House
from tests.conformance.plan import MODEL_IDS
from tests.conformance.results import Outcome, Result
from tests.conformance.suites.scripts import described


class Curl:
    """The machine's own."""

    @property
    def version(self) -> str:
        return _curl("--version").split()[1]

    def prepare(self) -> None:
        if shutil.which("curl") is None:
            raise NotHere("this machine has no curl")


def run(house: House) -> Iterator[Result]:
    for model in MODEL_IDS:
        made = _make(house, model)
        well = made == "PNG 1024x1024"
        yield Result(model, Outcome.PASSED if well else Outcome.FAILED, "" if well else made)


def _make(house: House, model: str) -> str:
    picture = house.folder / f"curl-{model}.png"
    body = json.dumps({"model": model, "prompt": "a lighthouse on a cliff", "size": "1024x1024"})
    headers = ["-H", f"Authorization: Bearer {house.api_key}", "-H", "Content-Type: application/json"]
    try:
        answer = json.loads(_curl(f"{house.base_url}/images/generations", *headers, "-d", body))
        _curl("--output", str(picture), answer["data"][0]["url"])
    except subprocess.CalledProcessError as fault:
        return f"curl: {fault.stderr}"
    return described(picture)


def _curl(*arguments: str) -> str:
    command = ["curl", "--silent", "--show-error", "--fail-with-body", "--max-time", "120", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
