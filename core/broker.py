"""The door to Celery: one queue a provider, a message that is a job's id and nothing else."""

from typing import Any
from uuid import UUID

import structlog
from celery import Celery
from kombu.exceptions import ChannelError, OperationalError
from kombu.transport import redis

from core import tracing

RENDER_TASK = "darkroom.render"

# A broker that is away or mute must not hold up the web processes: the ledger is the outbox.
TRANSPORT = {
    # What a worker took is on the ledger, and sent again if the worker is lost: docs/decisions/0014.
    "ack_emulation": False,
    "socket_connect_timeout": 1.0,
    "socket_timeout": 2.0,
    "socket_keepalive": True,
    "health_check_interval": 10,
    # Of its own, kombu tries a broker that is down for six seconds before it says so.
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0,
    "interval_max": 0,
}

log = structlog.get_logger()


class _Channel(redis.Channel):
    """Keeps its client: kombu makes one for each command, which takes longer than the command."""

    _kept: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:  # noqa: FBT001, FBT002 - kombu's own signature
        if asynchronous:
            return super()._create_client(asynchronous=True)  # type: ignore[no-untyped-call] # kombu leaves it bare
        if self._kept is None or self._kept.connection_pool is not self.pool:
            self._kept = super()._create_client()  # type: ignore[no-untyped-call] # as above
        return self._kept


class _Transport(redis.Transport):
    Channel = _Channel


def create_celery(redis_url: str) -> Celery:
    """Celery as a deliverer only: no results, no retries, no late acknowledgement; Postgres decides all that."""
    celery = Celery("darkroom", broker=redis_url, set_as_current=False)
    celery.conf.update(
        accept_content=["json"],
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_pool_limit=20,
        broker_transport="core.broker:_Transport",  # by name: `inspect stats` tells it as JSON
        broker_transport_options=TRANSPORT,
        # It does not see from the address that it is to speak TLS, as it does with a transport of its own.
        broker_use_ssl={"ssl_cert_reqs": "required"} if redis_url.startswith("rediss://") else None,
        task_ignore_result=True,
        task_publish_retry=False,
        task_serializer="json",
        worker_hijack_root_logger=False,
        worker_prefetch_multiplier=1,
        worker_redirect_stdouts=False,
        worker_send_task_events=False,
    )
    return celery


class _NoResult:
    """What a sent task leaves with us. Celery's own makes a result backend for every greenlet that sends one."""

    ignored = True

    def __init__(self, task_id: str) -> None:
        """Nobody asks for it: the ledger tells what became of a job."""


class Broker:
    """Sends job ids to the worker pool of a provider."""

    def __init__(self, celery: Celery) -> None:
        self._celery = celery

    def publish(self, provider: str, job_ids: list[UUID]) -> None:
        """Send each id once. A broker that is down is logged, not raised: the scheduler sends the job again."""
        try:
            for job_id in job_ids:
                headers = tracing.sending(job_id, provider=provider)
                self._celery.send_task(
                    RENDER_TASK,
                    args=[str(job_id)],
                    argsrepr=str(job_id),  # what Celery's own tools show
                    kwargsrepr="",
                    queue=provider,
                    headers=headers,
                    ignore_result=True,
                    result_cls=_NoResult,
                    add_to_parent=False,
                )
        except (OperationalError, OSError) as error:
            log.warning("broker.unavailable", provider=provider, error=str(error))

    def waiting(self, provider: str) -> int:
        """How many messages no worker has taken yet. Raises kombu's OperationalError."""
        with self._celery.connection_for_write() as connection:
            try:
                return int(connection.default_channel.queue_declare(provider, passive=True).message_count)
            except ChannelError:  # Redis keeps no empty queues
                return 0

    def close(self) -> None:
        self._celery.close()
