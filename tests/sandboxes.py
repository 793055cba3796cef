"""The sandbox as a user starts it: one supervisor in a folder, as a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

from sandbox import ports
from sandbox.parts import UPSTREAMS
from sandbox.service import dies_with

ROOT = Path(__file__).resolve().parents[1]
SERVERS_ONLY = "import sys; from sandbox.stack import main; sys.exit(main(servers_only=True))"
KEYS = {upstream.key for upstream in UPSTREAMS}
Found = TypeVar("Found")


class Sandbox:
    """One run of the supervisor in a folder, as a process of its own."""

    def __init__(self, home: Path, *, servers_only: bool = True, port: int = 0) -> None:
        self.home = home
        self.port = port or ports.choose(())
        self._transcript = home.with_name("transcript.txt")
        arguments = ["-c", SERVERS_ONLY] if servers_only else ["-m", "darkroom", "sandbox"]
        environment = {name: value for name, value in os.environ.items() if name not in KEYS}
        with self._transcript.open("w") as transcript:
            self.process = psutil.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env={**environment, "DARKROOM_HOME": str(home), "PORT": str(self.port)},
                stdout=transcript,
                stderr=subprocess.STDOUT,
                preexec_fn=dies_with(os.getpid(), signal.SIGTERM),
            )

    def ready(self) -> dict[str, Any]:
        """Waits for ready.json and returns it."""
        return until(self._read_ready, "the sandbox is ready")

    def family(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]

    def said(self) -> str:
        return self._transcript.read_text()

    def _read_ready(self) -> dict[str, Any] | None:
        assert self.process.poll() is None, self.said()
        file = self.home / "ready.json"
        return json.loads(file.read_text()) if file.exists() else None


def until(look: Callable[[], Found | None], what: str, *, within: float = 45) -> Found:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.05)
    pytest.fail(f"waited {within} s in vain: {what}")
