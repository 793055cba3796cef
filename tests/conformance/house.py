"""The Darkroom that every client calls: one sandbox, with the key and the default model of OpenAI's own tests."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.sandboxes import ROOT, Sandbox

KEY = "My API Key"  # as OpenAI's tests have it
DEFAULT_MODEL = "dall-e-3"  # they name none
LIMITS = {
    "one model": ["--model", "dall-e-2"],
    "no money": ["--cap", "0"],
    "one a minute": ["--requests-per-minute", "1"],
}


@dataclass(frozen=True)
class House:
    """`folder` is for the pictures that clients save; each of `keys` may little."""

    base_url: str
    api_key: str
    keys: dict[str, str]
    folder: Path


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
            _make_key(environment, "--secret-from-stdin", secret=KEY)
            keys = {name: _make_key(environment, *limit) for name, limit in LIMITS.items()}
            yield House(ready["base_url"], KEY, keys, folder)
        finally:
            sandbox.process.terminate()
            sandbox.process.wait(timeout=15)


def _make_key(environment: dict[str, str], *options: str, secret: str = "") -> str:
    command = [sys.executable, "-m", "darkroom", "keys", "create", "conformance", *options]
    surroundings = {**os.environ, **environment}
    made = subprocess.run(
        command, input=secret, cwd=ROOT, env=surroundings, capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        sys.exit(f"conformance: no key could be made: {made.stderr}")
    return made.stdout.strip()
