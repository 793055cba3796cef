"""Does in a running worker process what operators want of it: another rate, no new jobs."""

from typing import Any

import structlog

from core.fleet import Orders
from workers.pacing import Pacing

log = structlog.get_logger()


class Steering:
    """Of one worker process, whose Celery consumer is `attach`ed once it takes messages."""

    def __init__(self, provider: str, pacing: Pacing) -> None:
        self._provider = provider
        self._pacing = pacing
        self._consumer: Any = None
        self._quiet = False

    def attach(self, consumer: Any) -> None:
        self._consumer = consumer

    def obey(self, orders: Orders) -> None:
        """Only what has changed is acted upon: Celery's own `cancel_consumer` is not undone."""
        self._pacing.change(orders.rate)
        if self._consumer is None or orders.quiet == self._quiet:
            return
        # Not from this thread: the consumer belongs to the one that reads from the broker.
        self._consumer.call_soon(self._fall_quiet if orders.quiet else self._listen)
        self._quiet = orders.quiet
        log.info("worker.quiet" if orders.quiet else "worker.listens", provider=self._provider)

    def _fall_quiet(self) -> None:
        """Deselects the queue as well, so that a consumer that connects anew does not take it up."""
        self._consumer.cancel_task_queue(self._provider)

    def _listen(self) -> None:
        # Celery takes the queue up, yet does not select it again: it would be deaf once the broker is restarted.
        self._consumer.app.amqp.queues.select([self._provider])
        self._consumer.add_task_queue(self._provider)
