"""The door to Redis pub/sub: tells whoever waits that a job is settled. A hint only; the ledger is the truth."""

from collections.abc import Iterator
from uuid import UUID

import structlog
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

CHANNEL = "darkroom:settled"

log = structlog.get_logger()


class Notifier:
    """Announces settled jobs, and listens for them."""

    def __init__(self, redis_url: str) -> None:
        self._redis = Redis.from_url(
            redis_url,
            socket_connect_timeout=1.0,
            socket_timeout=5.0,
            health_check_interval=10,  # a subscription whose server went away in silence is noticed
            retry=Retry(NoBackoff(), retries=1),
        )

    def announce(self, job_id: UUID) -> None:
        """Tell every listener. A Redis that is away is logged, not raised: listeners also look for themselves."""
        try:
            self._redis.publish(CHANNEL, job_id.bytes)
        except RedisError as error:
            log.warning("notifier.unavailable", error=str(error))

    def listen(self) -> Iterator[UUID | None]:
        """Yield settled job ids as they are announced, and None once the subscription stands.

        Raises RedisError when the connection is lost.
        """
        with self._redis.pubsub() as pubsub:  # type: ignore[no-untyped-call] # redis leaves it bare
            pubsub.subscribe(CHANNEL)
            while True:
                message = pubsub.get_message(timeout=1.0)
                if message and message["type"] == "subscribe":
                    yield None
                elif message and message["type"] == "message":
                    yield UUID(bytes=message["data"])

    def ping(self) -> None:
        """Raises RedisError."""
        self._redis.ping()

    def close(self) -> None:
        self._redis.close()
