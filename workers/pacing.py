"""Keeps a provider's published rate over all workers, so that it never has to say that it has had enough."""

import math
import time

import structlog
from limits import parse
from limits.errors import StorageError
from limits.storage import storage_from_string
from limits.strategies import MovingWindowRateLimiter

from workers.providers.errors import Throttled

log = structlog.get_logger()


class Pacing:
    """At most `rate` calls (`150/10 seconds`), counted in Redis; None lets everything through.

    Redis may be away or flushed: that costs exactness for a moment, and no call.
    """

    def __init__(self, redis_url: str, provider: str, rate: str | None) -> None:
        self._provider = provider
        self._rate = parse(rate) if rate else None
        self._limiter = MovingWindowRateLimiter(storage_from_string(redis_url, wrap_exceptions=True))

    def take(self) -> None:
        """Take the place of one call. Raises Throttled with the seconds until there is one."""
        if self._rate is None:
            return
        try:
            if self._limiter.hit(self._rate, self._provider):
                return
            reset = self._limiter.get_window_stats(self._rate, self._provider).reset_time
        except StorageError as error:
            log.warning("pacing.unavailable", error=str(error))
            return
        raise Throttled("our own limit", retry_after=max(0.1, math.ceil((reset - time.time()) * 10) / 10))
