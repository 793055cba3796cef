"""The sandbox's folder: one supervisor at a time, ports and secrets made once, and what is ready."""

import fcntl
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from sandbox import ports


class Refused(Exception):
    """Why the sandbox does not start, as one sentence for the person who asked."""


@dataclass(frozen=True)
class Ready:
    """What `ready.json` tells a script; the folder and the file are their owner's alone."""

    base_url: str | None
    api_key: str | None
    password: str | None
    environment: dict[str, str]
    parts: dict[str, dict[str, str | int | None]]


class Home:
    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.logs = self.folder / "logs"
        self.ready_file = self.folder / "ready.json"
        self._state_file = self.folder / "state.json"
        self._ports: dict[str, int] = {}
        self._secrets: dict[str, str] = {}
        self._ports_in_use: set[str] = set()

    @contextmanager
    def occupied(self) -> Iterator[IO[str]]:
        """Hold the folder; yields the file that every child inherits and thereby keeps locked while it lives."""
        self._make_folders()
        with (
            (self.folder / "supervisor.lock").open("w") as ours,
            (self.folder / "children.lock").open("w") as theirs,
        ):
            if not _locks(ours):
                raise Refused(f"another sandbox is running in {self.folder}")
            self._wait_for_leftovers(theirs)
            self.withdraw()
            self._recall()
            try:
                yield theirs
            finally:
                self.withdraw()

    def port(self, name: str) -> int:
        """The port kept for this name, or a new one where somebody else has taken it since the last run."""
        if name in self._ports_in_use:
            return self._ports[name]
        port = self._ports.pop(name, 0)
        if not port or port in self._ports.values() or not ports.is_free_with_grpc(port):
            port = ports.choose(taken=set(self._ports.values()))
        return self.reserve(name, port)

    def reserve(self, name: str, port: int) -> int:
        self._ports_in_use.add(name)
        self._ports[name] = port
        self._keep()
        return port

    def secret(self, name: str, make: Callable[[], str] = lambda: secrets.token_urlsafe(24)) -> str:
        """Made at the first call, the same ever after."""
        if name not in self._secrets:
            self._secrets[name] = make()
            self._keep()
        return self._secrets[name]

    def knows(self, name: str) -> bool:
        return name in self._secrets

    def forget(self, name: str) -> None:
        if self._secrets.pop(name, None):
            self._keep()

    def announce(self, ready: Ready) -> None:
        self.write("ready.json", json.dumps(asdict(ready), indent=1) + "\n")

    def withdraw(self) -> None:
        self.ready_file.unlink(missing_ok=True)

    def write(self, name: str, text: str) -> Path:
        """Whole or not at all, and never readable by others, not even for a moment."""
        path = self.folder / name
        unfinished = path.with_name(f".{path.name}.new")
        unfinished.unlink(missing_ok=True)
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        return unfinished.rename(path)

    def room(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def _recall(self) -> None:
        if self._state_file.exists():
            state = json.loads(self._state_file.read_text())
            self._ports, self._secrets = state["ports"], state["secrets"]

    def _keep(self) -> None:
        self.write("state.json", json.dumps({"ports": self._ports, "secrets": self._secrets}, indent=1))

    def _make_folders(self) -> None:
        # The mode is set on what we make only: DARKROOM_HOME may name a folder that others use too.
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.room("logs")

    def _wait_for_leftovers(self, theirs: IO[str], patience: float = 30) -> None:
        """After a `kill -9` the children need a moment to go; starting beside them would lose the ports."""
        deadline = time.monotonic() + patience
        while not _locks(theirs):
            if time.monotonic() > deadline:
                raise Refused(f"processes of an earlier sandbox in {self.folder} do not end; stop them first")
            time.sleep(0.05)


def _locks(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
