"""The three real servers, and the settings with which every process of Darkroom finds them."""

import asyncio
import os
from collections.abc import Mapping

from sandbox import postgres, seaweedfs, valkey
from sandbox.home import Home
from sandbox.supervisor import Supervisor

# No more than this for the servers: libpq, Go and AWS read variables that somebody may have set for other things.
_PLAIN = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}


async def start(home: Home, supervisor: Supervisor) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(start_postgres(home, supervisor))
        group.create_task(supervisor.start(valkey.service(home, _PLAIN), seaweedfs.service(home, _PLAIN)))


async def start_postgres(home: Home, supervisor: Supervisor) -> None:
    footing = postgres.footing(home)
    if not footing.cluster.exists():
        home.forget("api_key")  # it was a row of a database that is gone
        await postgres.make_cluster(home, footing, _PLAIN, supervisor.run)
    await supervisor.start(postgres.service(home, footing, _PLAIN))


def settings(home: Home) -> dict[str, str]:
    return {
        "DATABASE_URL": postgres.url(home),
        "REDIS_URL": valkey.url(home),
        "S3_ENDPOINT": seaweedfs.address(home),
        "S3_ACCESS_KEY": home.secret("store-access"),
        "S3_SECRET_KEY": home.secret("store"),
        "S3_BUCKET": seaweedfs.BUCKET,
    }


def surroundings(environ: Mapping[str, str]) -> dict[str, str]:
    """What our own processes inherit; no proxy may stand between them and the loopback addresses."""
    exempt = [environ.get("NO_PROXY") or environ.get("no_proxy") or "", "127.0.0.1", "localhost"]
    direct = ",".join(filter(None, exempt))
    return {**environ, "NO_PROXY": direct, "no_proxy": direct, "PYTHONUNBUFFERED": "1"}
