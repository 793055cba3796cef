"""How a worker process ends: what others can go on with at once, calls under way in their time, and no later."""

import os
from threading import Thread, Timer

from workers.executor import Executor
from workers.heartbeat import Heartbeat


class Handover:
    """Of one process; Celery ends it once nothing is under way. Called by signal handlers: nothing here waits."""

    def __init__(self, executor: Executor, heartbeat: Heartbeat, *, seconds: float) -> None:
        """`seconds` is how long calls that nobody else could go on with are waited for."""
        self._executor = executor
        self._heartbeat = heartbeat
        self._seconds = seconds
        self._begun = False

    def begin(self) -> None:
        """Asked for twice, the process ends at once."""
        if self._begun:
            self.cut_off()
            return
        self._begun = True
        self._executor.stop()
        self._heartbeat.tell_of_end()
        deadline = Timer(self._seconds, self._end)
        deadline.daemon = True
        deadline.start()

    def cut_off(self) -> None:
        """End now: calls under way are on record as sent, and will be as unknown."""
        Thread(target=self._end, name="cut-off", daemon=True).start()

    def _end(self) -> None:
        self._executor.abandon()
        os._exit(1)  # an ordinary exit would wait for the threads that make the calls
