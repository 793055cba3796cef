"""Keeps the sandbox's processes alive: waits until they answer, restarts what dies, stops all in order."""

import asyncio
import signal
import subprocess
import time
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from sandbox import console
from sandbox.service import Command, Log, Service, kill_group, spawn

_READY_WITHIN = 60.0
_DEATHS_BEFORE_FIRST_READY = 3
_LIVED_LONG = 60.0
_LONGEST_PAUSE = 10.0


class PartFailed(Exception):
    """A part that never became ready, or a command that did not succeed."""


class Backoff:
    """Seconds until the next start: doubling from 0.2 to 10, and from the beginning after a minute of life."""

    def __init__(self) -> None:
        self.deaths = 0

    def after(self, seconds_alive: float) -> float:
        self.deaths = 1 if seconds_alive > _LIVED_LONG else self.deaths + 1
        return min(0.2 * 2.0 ** (self.deaths - 1), _LONGEST_PAUSE)


class Part:
    """One service through all its lives."""

    def __init__(self, service: Service, log: Log, inherited: IO[str], changed: Callable[[], None]) -> None:
        self.service = service
        self.log = log
        self.process: asyncio.subprocess.Process | None = None
        self._inherited = inherited
        self._changed = changed
        self._backoff = Backoff()
        self._spawning = asyncio.Lock()
        self._stopping = False
        self._was_ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._keeper = asyncio.create_task(self._keep())

    async def becomes_ready(self) -> None:
        await asyncio.shield(self._was_ready)

    async def stop(self) -> None:
        self._stopping = True
        async with self._spawning:
            process = self.process
        if process is not None:
            await self._end(process)
        self._keeper.cancel()
        await asyncio.wait({self._keeper})
        self._was_ready.cancel()

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        with suppress(ProcessLookupError):
            process.send_signal(self.service.stop)
        try:
            await asyncio.wait_for(process.wait(), self.service.grace)
        except TimeoutError:
            console.say(f"{self.service.name} did not stop within {self.service.grace:.0f} s: killed")
        self.kill()
        await process.wait()

    def kill(self) -> None:
        if self.process is not None:
            kill_group(self.process)

    def describe(self) -> dict[str, str | int | None]:
        pid = self.process.pid if self.process else None
        return {"address": self.service.address, "pid": pid, "log": str(self.log.path)}

    async def _keep(self) -> None:
        while not self._stopping:
            born = time.monotonic()
            outcome = await self._live()
            if not self._stopping:
                await asyncio.sleep(self._bury(outcome, seconds_alive=time.monotonic() - born))

    async def _live(self) -> str:
        """From start to death; tells how it ended."""
        born = time.monotonic()
        try:
            process = await self._spawn()
        except (OSError, subprocess.SubprocessError) as failure:
            return f"cannot be started ({failure})"
        ended = asyncio.create_task(process.wait())
        if await self._answers(ended):
            self._report_ready(time.monotonic() - born)
        elif not ended.done():
            self.kill()
            return f"was not ready within {_READY_WITHIN:.0f} s"
        return _how_it_ended(await ended)

    async def _spawn(self) -> asyncio.subprocess.Process:
        async with self._spawning:
            if self._stopping:
                raise asyncio.CancelledError
            with self.log.open() as output:
                self.process = await spawn(self.service, self._inherited, output=output, errors=STDOUT)
            return self.process

    def _report_ready(self, seconds: float) -> None:
        console.ready(self.service.name, seconds)
        if not self._was_ready.done():
            self._was_ready.set_result(None)
        self._changed()

    async def _answers(self, ended: asyncio.Task[int]) -> bool:
        deadline = time.monotonic() + _READY_WITHIN
        while not ended.done() and time.monotonic() < deadline:
            if await self.service.ready(self.log):
                return True
            await asyncio.wait({ended}, timeout=0.05)
        return False

    def _bury(self, outcome: str, *, seconds_alive: float) -> float:
        self.kill()  # what it forked may have outlived it, and holds its port
        pause = self._backoff.after(seconds_alive)
        console.death(self.service.name, outcome, self.log)
        if not self._was_ready.done() and self._backoff.deaths >= _DEATHS_BEFORE_FIRST_READY:
            self._stopping = True
            self._was_ready.set_exception(PartFailed(f"{self.service.name} does not start, see {self.log.path}"))
        else:
            console.say(f"{self.service.name} starts again in {pause:.1f} s")
        return pause


class Supervisor:
    def __init__(self, logs: Path, inherited: IO[str]) -> None:
        self.parts: list[Part] = []
        self.on_change: Callable[[], None] = lambda: None
        self._logs = logs
        self._inherited = inherited

    async def start(self, *services: Service) -> None:
        """Start them side by side and wait until each answers."""
        parts = [Part(service, self._log(service), self._inherited, changed=self._tell) for service in services]
        self.parts += parts
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(part.becomes_ready())

    async def run(self, command: Command) -> str:
        """Run it to its end and return its output; PartFailed where it fails. What it complains of is logged."""
        log = self._log(command)
        with log.open() as errors:
            process = await spawn(command, self._inherited, output=PIPE, errors=errors)
        try:
            output, _ = await process.communicate()
        finally:
            kill_group(process)
        if process.returncode:
            console.death(command.name, _how_it_ended(process.returncode), log)
            raise PartFailed(f"{command.name} failed, see {log.path}")
        return output.decode()

    async def stop(self) -> None:
        """Those that use the stores first, the stores after them."""
        for last in (False, True):
            await asyncio.gather(*(part.stop() for part in self.parts if part.service.stops_last is last))

    def kill(self) -> None:
        for part in self.parts:
            part.kill()

    def describe(self) -> dict[str, dict[str, str | int | None]]:
        return {part.service.name: part.describe() for part in self.parts}

    def _tell(self) -> None:
        self.on_change()

    def _log(self, command: Command) -> Log:
        log = Log(self._logs / f"{command.name}.log")
        log.keep_one_generation()
        return log


def _how_it_ended(code: int) -> str:
    return f"died ({signal.Signals(-code).name})" if code < 0 else f"ended with exit code {code}"
