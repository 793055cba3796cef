"""A real S3 server of a test's own, on a disk that is full after a few megabytes."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from sandbox import seaweedfs
from sandbox.home import Home
from sandbox.service import Log
from tests.stack import until

# No file of the server grows beyond that: it keeps all that it is given in one.
ROOM = 8 * 1024 * 1024


@contextmanager
def small_store(folder: Path) -> Iterator[dict[str, Any]]:
    """Those of the settings that lead there."""
    home = Home(folder)
    with home.occupied():
        service = seaweedfs.service(home, dict(os.environ))
        server = psutil.Popen(
            list(map(str, service.argv)),
            cwd=service.folder,
            env=service.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        server.rlimit(psutil.RLIMIT_FSIZE, (ROOM, ROOM))
        try:
            until(lambda: asyncio.run(service.ready(Log(folder / "store.log"))), "the store is ready")
            yield {
                "s3_endpoint": seaweedfs.address(home),
                "s3_access_key": home.secret("store-access"),
                "s3_secret_key": home.secret("store"),
                "s3_bucket": seaweedfs.BUCKET,
            }
        finally:
            server.kill()
            server.wait()
