"""Darkroom whole on one machine: which parts, in which order, until somebody stops it."""

import asyncio
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from sandbox import console, parts, ports, servers
from sandbox.home import Home, Ready, Refused
from sandbox.supervisor import PartFailed, Supervisor

# Who may sign in at the dashboard at first.
USER = "admin"

_HIGHEST_PORT = 65535
_DEFAULT_HOME = Path(__file__).resolve().parents[1] / ".sandbox"


def main(*, servers_only: bool = False) -> int:
    """Run until a signal comes; the exit code is 0 after a stop that was asked for, 1 after any failure."""
    home = Home(Path(os.environ.get("DARKROOM_HOME") or _DEFAULT_HOME))
    try:
        with home.occupied() as inherited:
            stack = ServersOnly(home) if servers_only else Darkroom(home, _api_port(os.environ), os.environ)
            return asyncio.run(_run(stack, inherited))
    except Refused as refusal:
        console.complain(str(refusal))
    except OSError as failure:
        console.complain(f"{home.folder} cannot be used: {failure}")
    return 1


class ServersOnly:
    """Postgres, Valkey and the store, for the tests and for a developer's own processes."""

    def __init__(self, home: Home) -> None:
        self.home = home

    async def start(self, supervisor: Supervisor) -> None:
        await servers.start(self.home, supervisor)

    def ready(self, supervisor: Supervisor) -> Ready:
        return Ready(None, None, None, servers.settings(self.home), supervisor.describe())

    def invite(self, seconds: float) -> None:
        console.say(f"\nServers are ready ({seconds:.1f} s); their addresses: {self.home.ready_file}", bold=True)


class Darkroom:
    """The servers and everything of ours on top of them."""

    def __init__(self, home: Home, port: int, environ: Mapping[str, str]) -> None:
        self.home = home
        self.port = home.reserve("api", port)
        self.simulated = parts.simulated(environ)
        self.settings = servers.settings(home)
        for upstream in self.simulated:
            self.settings |= parts.upstream_settings(home, upstream)
        self.settings["DARKROOM_PUBLIC_URL"] = environ.get("DARKROOM_PUBLIC_URL") or f"http://127.0.0.1:{port}"
        self.environment = servers.surroundings(environ) | self.settings

    async def start(self, supervisor: Supervisor) -> None:
        simulators = [parts.simulator(self.home, upstream, self.environment) for upstream in self.simulated]
        async with asyncio.TaskGroup() as group:
            group.create_task(servers.start(self.home, supervisor))
            group.create_task(supervisor.start(*simulators))
        await supervisor.run(parts.migrate(self.environment))
        async with asyncio.TaskGroup() as group:
            group.create_task(self._make_key(supervisor))
            group.create_task(self._make_user(supervisor))
            group.create_task(
                supervisor.start(
                    *parts.workers(self.environment),
                    parts.api(self.port, self.environment),
                    parts.scheduler(self.environment),
                    parts.clerk(self.environment),
                )
            )

    def ready(self, supervisor: Supervisor) -> Ready:
        keys = (self.home.secret("api_key"), self.home.secret("password"))
        return Ready(self._base_url, *keys, self.settings, supervisor.describe())

    def invite(self, seconds: float) -> None:
        pages = {each.provider: parts.simulator_address(self.home, each) for each in self.simulated}
        console.invitation(self._base_url, self.home.secret("api_key"), seconds=seconds)
        address = self._base_url.removesuffix("/v1")
        console.places(f"{address}/ops", USER, self.home.secret("password"), pages=pages, logs=str(self.home.logs))

    @property
    def _base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def _make_key(self, supervisor: Supervisor) -> None:
        if not self.home.knows("api_key"):
            printed = await supervisor.run(parts.make_key(self.environment))
            self.home.secret("api_key", make=printed.strip)

    async def _make_user(self, supervisor: Supervisor) -> None:
        if not self.home.knows("password"):
            printed = await supervisor.run(parts.make_user(self.environment, USER))
            self.home.secret("password", make=printed.strip)


async def _run(stack: ServersOnly | Darkroom, inherited: IO[str]) -> int:
    supervisor = Supervisor(stack.home.logs, inherited)
    asked_to_stop = _listen(supervisor)
    starting = asyncio.create_task(_start(stack, supervisor))
    stopping = asyncio.create_task(asked_to_stop.wait())
    failed = False
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            await starting
            await stopping
    except* (PartFailed, Refused) as failures:
        failed = True
        console.complain(_first(failures))
    finally:
        supervisor.on_change = _nothing
        stack.home.withdraw()
        starting.cancel()
        await asyncio.wait({starting})
        await supervisor.stop()
        console.say("Stopped.")
    return int(failed)


async def _start(stack: ServersOnly | Darkroom, supervisor: Supervisor) -> None:
    began = time.monotonic()
    await stack.start(supervisor)

    def announce() -> None:
        stack.home.announce(stack.ready(supervisor))

    supervisor.on_change = announce  # a part that was restarted has another pid
    announce()
    stack.invite(time.monotonic() - began)


def _listen(supervisor: Supervisor) -> asyncio.Event:
    """The first signal asks to stop; one more Ctrl-C does not wait any longer."""
    asked = asyncio.Event()

    def heard(which: signal.Signals) -> None:
        if asked.is_set() and which is signal.SIGINT:
            supervisor.kill()
        elif not asked.is_set():
            console.say("\nStopping; Ctrl-C again kills at once.")
        asked.set()

    for which in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(which, heard, which)
    return asked


def _nothing() -> None:
    pass


def _first(failures: BaseExceptionGroup[BaseException]) -> str:
    failure: BaseException = failures
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return str(failure)


def _api_port(environ: Mapping[str, str]) -> int:
    given = environ.get("PORT") or "8000"
    if not given.isdecimal() or not 0 < int(given) <= _HIGHEST_PORT:
        raise Refused(f"PORT is a number from 1 to {_HIGHEST_PORT}, not {given!r}")
    if not ports.is_free(int(given)):
        raise Refused(f"port {given} is in use; stop what listens there, or choose another one: PORT=8001 ./run")
    return int(given)
