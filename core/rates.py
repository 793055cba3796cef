"""How fast a key asks: its requests and pictures within the last minute, counted in Redis for all API processes.

A script of our own rather than `limits`, which the workers pace themselves with: it looks at both limits before it
counts against either, and tells what is left of them, in one round trip instead of five.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import structlog
from redis import BlockingConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

WINDOW_SECONDS = 60
CONNECTIONS = 20
# A Redis that is away is left alone for so long; one that is mute would hold up every request.
REST_SECONDS = 3.0

# A key of Redis lists when each of the last minute's requests, or pictures, was taken. Of every one this answers
# what is left, in how many milliseconds it is whole again, and in how many it has room for what was asked.
TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local window = tonumber(ARGV[1])
local waits, room = {}, true
for i, key in ipairs(KEYS) do
    local most, amount = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
    local oldest = redis.call('LINDEX', key, 0)
    while oldest and oldest + window <= now do
        redis.call('LPOP', key)
        oldest = redis.call('LINDEX', key, 0)
    end
    waits[i] = 0
    local over = redis.call('LLEN', key) + amount - most
    if over > 0 then
        waits[i] = (redis.call('LINDEX', key, over - 1) or now) + window - now
        room = false
    end
end
local answers = {}
for i, key in ipairs(KEYS) do
    local most, amount = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
    if room then
        for _ = 1, amount do
            redis.call('RPUSH', key, now)
        end
        redis.call('PEXPIRE', key, window)
    end
    local newest = redis.call('LINDEX', key, -1) or now - window
    answers[i] = {math.max(0, most - redis.call('LLEN', key)), newest + window - now, waits[i]}
end
return answers
"""

log = structlog.get_logger()


class Limit(NamedTuple):
    """At most so many a minute, of which a request takes `amount`."""

    most: int
    amount: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What is left of a limit, in how many seconds it is whole again, and when it has room: 0 where it had."""

    most: int
    left: int
    reset_seconds: float
    wait_seconds: float


class Rates:
    """Counts what keys take. The ledger is the truth: a Redis that is away costs exactness, and no request."""

    def __init__(self, redis_url: str) -> None:
        pool = BlockingConnectionPool.from_url(
            redis_url,
            max_connections=CONNECTIONS,
            timeout=1.0,
            socket_connect_timeout=1.0,
            socket_timeout=1.0,
            retry=Retry(NoBackoff(), retries=1),
        )
        self._redis = Redis.from_pool(pool)
        self._script = self._redis.register_script(TAKE)
        self._rests_until = 0.0

    def take(self, key_id: UUID, limits: Mapping[str, Limit]) -> dict[str, Standing]:
        """Take what a request needs of each limit of a key, of all or of none.

        Returns how each stands then, whether or not there was room; nothing while Redis is away.
        """
        if not limits or time.monotonic() < self._rests_until:
            return {}
        names = [f"darkroom:rate:{{{key_id}}}:{what}" for what in limits]
        amounts = [number for limit in limits.values() for number in limit]
        try:
            answers = self._script(names, [WINDOW_SECONDS * 1000, *amounts])
        except RedisError as error:
            self._rest(error)
            return {}
        return {
            what: Standing(limit.most, left, reset / 1000, wait / 1000)
            for (what, limit), (left, reset, wait) in zip(limits.items(), answers, strict=True)
        }

    def _rest(self, error: RedisError) -> None:
        """Of many calls that find out at the same time, one says so."""
        if time.monotonic() >= self._rests_until:
            log.warning("rates.unavailable", error=str(error))
        self._rests_until = time.monotonic() + REST_SECONDS

    def close(self) -> None:
        self._redis.close()
