"""Keeps a provider's published rate over all workers, so that it never has to say that it has had enough."""

import math
import time

import structlog
from limits import parse
from limits.errors import StorageError
from limits.storage import storage_from_string
from limits.strategies import MovingWindowRateLimiter

from core.rates import PREFIX
from workers.providers.errors import HeldBack

log = structlog.get_logger()


class Pacing:
    """At most `rate` calls (`150/10 seconds`), counted in Redis; None lets everything through.

    Redis may be away or flushed: that costs exactness for a moment, and no call.
    """

    def __init__(self, redis_url: str, provider: str, rate: str | None) -> None:
        self._provider = provider
        self._published = self._rate = parse(rate) if rate else None
        storage = storage_from_string(redis_url, key_prefix=PREFIX, wrap_exceptions=True)
        self._limiter = MovingWindowRateLimiter(storage)

    def change(self, rate: str | None) -> None:
        """Keep another rate from now on, whose count begins anew; None is the catalog's."""
        self._rate = parse(rate) if rate else self._published

    def take(self) -> None:
        """Take the place of one call. Raises HeldBack with the seconds until there is one."""
        rate = self._rate
        if rate is None:
            return
        try:
            if self._limiter.hit(rate, self._provider):
                return
            reset = self._limiter.get_window_stats(rate, self._provider).reset_time
        except StorageError as error:
            log.warning("pacing.unavailable", error=str(error))
            return
        raise HeldBack("our own limit", retry_after=max(0.1, math.ceil((reset - time.time()) * 10) / 10))
