"""Run one command against a migrated database that is gone afterwards, as in `alembic check`."""

import asyncio
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from sandbox import servers
from sandbox.home import Home
from sandbox.parts import CHECKOUT
from sandbox.service import Command
from sandbox.supervisor import Supervisor


async def run(command: list[str]) -> int:
    """The exit code of the command; of the settings it gets, only DATABASE_URL leads anywhere."""
    with TemporaryDirectory(prefix="darkroom-") as folder:
        home = Home(Path(folder))
        with home.occupied() as inherited:
            supervisor = Supervisor(home.logs, inherited)
            environment = {**os.environ, **servers.settings(home)}
            try:
                await servers.start_postgres(home, supervisor)
                await supervisor.run(_migrate(environment))  # `darkroom migrate` would want the store, too
                return await _in_the_foreground(command, environment)
            finally:
                await supervisor.stop()


def _migrate(environment: dict[str, str]) -> Command:
    argv = [sys.executable, "-m", "alembic", "upgrade", "head"]
    return Command(name="migrate", argv=argv, environment=environment, folder=CHECKOUT)


async def _in_the_foreground(command: list[str], environment: dict[str, str]) -> int:
    program = Path(sys.executable).with_name(command[0])
    process = await asyncio.create_subprocess_exec(program, *command[1:], cwd=CHECKOUT, env=environment)
    return await process.wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(run(sys.argv[1:])))
