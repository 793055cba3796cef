"""The Darkroom that every client calls: one sandbox, with the key and the default model of OpenAI's own tests."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core import keys
from core.database import Database
from tests.sandboxes import Sandbox

KEY = "My API Key"  # as OpenAI's tests have it
DEFAULT_MODEL = "dall-e-3"  # they name none


@dataclass(frozen=True)
class House:
    """`folder` is for the pictures that clients save."""

    base_url: str
    api_key: str
    folder: Path
    environment: dict[str, str]


@contextmanager
def house() -> Iterator[House]:
    with tempfile.TemporaryDirectory(prefix="darkroom-conformance-") as name:
        folder = Path(name, "pictures")
        folder.mkdir()
        os.environ["DARKROOM_DEFAULT_MODEL"] = DEFAULT_MODEL
        sandbox = Sandbox(Path(name, "home"), servers_only=False)
        try:
            ready = sandbox.ready()
            environment = ready["environment"]
            _make_key(environment)
            yield House(ready["base_url"], KEY, folder, environment)
        finally:
            sandbox.process.terminate()
            sandbox.process.wait(timeout=15)


def _make_key(environment: dict[str, str]) -> None:
    database = Database(environment["DATABASE_URL"])
    with database.transaction() as session:
        keys.create(session, "conformance", secret=KEY)
    database.close()
