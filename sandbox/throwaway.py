"""Run one command against a migrated database that is gone afterwards, as in `alembic check`."""

import asyncio
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from sandbox import parts, servers
from sandbox.home import Home
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
                await supervisor.run(parts.migrate(environment))
                return await _in_the_foreground(command, environment)
            finally:
                await supervisor.stop()


async def _in_the_foreground(command: list[str], environment: dict[str, str]) -> int:
    program = Path(sys.executable).with_name(command[0])
    process = await asyncio.create_subprocess_exec(program, *command[1:], env=environment)
    return await process.wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(run(sys.argv[1:])))
