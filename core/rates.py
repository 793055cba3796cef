"""How fast a key asks, counted in Redis for all API processes; what the count of a provider's workers has left."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import structlog
from limits import RateLimitItemPerMinute, parse
from limits.errors import StorageError
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter
from redis import BlockingConnectionPool
from redis.backoff import NoBackoff
from redis.retry import Retry

CONNECTIONS = 20
# Of all that is counted, by whichever process.
PREFIX = "darkroom:rate"
# A Redis that is away is left alone for so long; one that is mute would hold up every request.
REST_SECONDS = 3.0

log = structlog.get_logger()


class Limit(NamedTuple):
    """At most so many a minute, of which a request takes `amount`."""

    most: int
    amount: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What is left of a limit, in how many seconds more of it is, and whether it had room for what was asked."""

    most: int
    left: int
    reset_seconds: float
    had_room: bool


class Rates:
    """Counts what keys take. The ledger is the truth: a Redis that is away costs exactness, and no request."""

    def __init__(self, redis_url: str) -> None:
        self._pool = BlockingConnectionPool.from_url(
            redis_url,
            max_connections=CONNECTIONS,
            timeout=1.0,
            socket_connect_timeout=1.0,
            socket_timeout=1.0,
            retry=Retry(NoBackoff(), retries=1),
        )
        storage = RedisStorage(redis_url, connection_pool=self._pool, key_prefix=PREFIX, wrap_exceptions=True)
        self._limiter = MovingWindowRateLimiter(storage)
        self._rests_until = 0.0

    def take(self, key_id: UUID, limits: Mapping[str, Limit]) -> dict[str, Standing]:
        """Take what a request needs of each limit of a key, of all or of none.

        Returns how each stands then, whether or not there was room; nothing while Redis is away. Of two processes
        that race for the last place under one limit, the loser may lose a place under another one as well.
        """
        if not limits or time.monotonic() < self._rests_until:
            return {}
        try:
            return self._take(str(key_id), limits)
        except StorageError as error:
            self._rest(error)
            return {}

    def _take(self, key: str, limits: Mapping[str, Limit]) -> dict[str, Standing]:
        items = {what: RateLimitItemPerMinute(limit.most) for what, limit in limits.items()}

        def each(ask: Callable[..., bool]) -> dict[str, bool]:
            return {what: ask(item, key, what, cost=limits[what].amount) for what, item in items.items()}

        room = each(self._limiter.test)
        if all(room.values()):
            room = each(self._limiter.hit)
        standings = {}
        for what, item in items.items():
            reset, left = self._limiter.get_window_stats(item, key, what)
            standings[what] = Standing(item.amount, left, max(0.0, reset - time.time()), room[what])
        return standings

    def headroom(self, provider: str, rate: str) -> Standing | None:
        """How a provider's `rate` stands, of which its workers take; None while Redis is away."""
        if time.monotonic() < self._rests_until:
            return None
        item = parse(rate)
        try:
            reset, left = self._limiter.get_window_stats(item, provider)
        except StorageError as error:
            self._rest(error)
            return None
        return Standing(item.amount, left, max(0.0, reset - time.time()), had_room=left > 0)

    def _rest(self, error: StorageError) -> None:
        """Of many calls that find out at the same time, one says so."""
        if time.monotonic() >= self._rests_until:
            log.warning("rates.unavailable", error=str(error))
        self._rests_until = time.monotonic() + REST_SECONDS

    def close(self) -> None:
        self._pool.disconnect()
