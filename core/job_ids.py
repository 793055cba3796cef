"""Ids of jobs: they are in order of time, known before the row is written, and tell when that was."""

import os
import time
from datetime import datetime, timedelta
from uuid import UUID

# An id has the time of the process that made it, `created_at` that of the database: no clocks are further apart.
CLOCKS_APART = timedelta(minutes=1)

_MILLISECOND = timedelta(milliseconds=1)
_LATEST = 2**48 - 1


def new_job_id() -> UUID:
    """A UUID of version 7 (RFC 9562)."""
    milliseconds, noise = time.time_ns() // 1_000_000, int.from_bytes(os.urandom(10))
    return UUID(int=milliseconds << 80 | 7 << 76 | (noise >> 68) << 64 | 2 << 62 | noise & (1 << 62) - 1)


def first_id(moment: datetime, *, after: timedelta = timedelta()) -> UUID:
    """What no id is below that was made at a moment, or so long after it, or later."""
    milliseconds = int(moment.timestamp() * 1000) + after // _MILLISECOND
    return UUID(int=min(max(milliseconds, 0), _LATEST) << 80)
