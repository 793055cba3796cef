"""Where the processes of one front end keep their counts, so that each can tell those of all."""

import os
import shutil
import tempfile
from typing import Any

# prometheus-client's own name; it looks for it when it is loaded, hence this module does not load it.
SHARED = "PROMETHEUS_MULTIPROC_DIR"


def begin(arbiter: Any) -> None:
    """In gunicorn's master, before it has children: what one of them has counted outlives it."""
    if arbiter.cfg.workers > 1:
        os.environ[SHARED] = tempfile.mkdtemp(prefix="darkroom-counts-")


def end(_: Any) -> None:
    """When the master ends."""
    if folder := os.environ.pop(SHARED, None):
        shutil.rmtree(folder, ignore_errors=True)
