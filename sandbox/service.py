"""One supervised process as plain data, and how it is spawned so that nothing survives the supervisor."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

_PR_SET_PDEATHSIG = 1
_TAIL_BYTES = 8192
_libc = ctypes.CDLL(None)


class Log:
    """What a part has written since it was last started."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._start = 0

    def keep_one_generation(self) -> None:
        if self.path.exists():
            self.path.rename(self.path.with_suffix(".log.old"))

    def open(self) -> IO[bytes]:
        file = os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb")
        self._start = file.seek(0, os.SEEK_END)
        return file

    def text(self) -> str:
        if not self.path.exists():
            return ""
        with self.path.open("rb") as file:
            file.seek(self._start)
            return file.read().decode("utf-8", "replace")

    def last_lines(self, count: int = 8) -> list[str]:
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(max(self._start, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            return file.read().decode("utf-8", "replace").splitlines()[-count:]


Check = Callable[[Log], Coroutine[Any, Any, bool]]


@dataclass(frozen=True, kw_only=True)
class Command:
    """A process that ends by itself; `orphaned` is what it gets when the supervisor is killed."""

    name: str
    argv: Sequence[str | Path]
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    user: int | None = None
    orphaned: signal.Signals = signal.SIGKILL


@dataclass(frozen=True, kw_only=True)
class Service(Command):
    """A process that is kept alive until `stop` asks it to end, and killed when `grace` seconds are over."""

    ready: Check
    address: str | None = None
    stop: signal.Signals = signal.SIGTERM
    grace: float = 4
    stops_last: bool = False


async def spawn(
    command: Command, inherited: IO[str], *, output: IO[bytes] | int, errors: IO[bytes] | int
) -> asyncio.subprocess.Process:
    """A child in its own session, so that the terminal's Ctrl-C reaches the supervisor alone."""
    identity: dict[str, Any] = {}
    if command.user is not None:
        identity = {"user": command.user, "group": command.user, "extra_groups": []}
    return await asyncio.create_subprocess_exec(
        *map(str, command.argv),
        cwd=command.folder,
        env=command.environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        stderr=errors,
        start_new_session=True,
        pass_fds=[inherited.fileno()],
        preexec_fn=dies_with(os.getpid(), command.orphaned),
        **identity,
    )


def dies_with(supervisor: int, orphaned: signal.Signals) -> Callable[[], None]:
    """What a child does first, so that it gets the signal when its supervisor is no more (on Linux only)."""

    def in_the_child() -> None:
        if sys.platform == "linux":
            _libc.prctl(_PR_SET_PDEATHSIG, orphaned)
            if os.getppid() != supervisor:  # it died before we asked to be told
                os._exit(1)

    return in_the_child


def kill_group(process: asyncio.subprocess.Process) -> None:
    """The process and whatever it forked; each child leads a group of its own."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
