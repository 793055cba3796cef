"""What a worker process finds out about its provider: passed on to the ledger for all, and kept in mind itself."""

import time
from collections.abc import Collection
from contextlib import suppress
from datetime import timedelta

import structlog
from sqlalchemy.orm import Session

from core import breaker
from core.database import UNAVAILABLE, Database
from core.errors import FailureKind
from workers.faults import GRAVEST_FIRST, Fault
from workers.providers.errors import HeldBack

# A provider that says that it has had enough, and not for how long.
USUAL_PAUSE = 5.0
# How often a provider that was well is looked up for earlier troubles, which another worker may have had.
CHECK_SECONDS = 1.0

TROUBLE = frozenset({FailureKind.UNAVAILABLE, FailureKind.MISCONFIGURED, FailureKind.UNKNOWN})

log = structlog.get_logger()


class Standing:
    """Of one provider, as one worker process sees it. Thread-safe: at the worst it looks once too often."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._checked = 0.0
        self._paused_until = 0.0

    def wait_if_paused(self) -> None:
        """Raises HeldBack while the provider wants to be left alone: its pause is for all calls, not for one."""
        left = self._paused_until - time.monotonic()
        if left > 0:
            raise HeldBack("paused", retry_after=left)

    def report(self, session: Session, faults: Collection[Fault]) -> None:
        """Tell the ledger of the faults that an attempt's calls ended with."""
        found = {fault.failure.kind for fault in faults}
        if FailureKind.THROTTLED in found:
            self._pause(session, faults)
        if trouble := found & TROUBLE:
            self._fail(session, min(trouble, key=GRAVEST_FIRST.index))
        elif FailureKind.THROTTLED not in found:
            self._recover(session)

    def report_success(self, database: Database) -> bool:
        """Tell the ledger that all was well: True where that was news. Mostly it is none; there is a next time."""
        if time.monotonic() - self._checked >= CHECK_SECONDS:
            with suppress(*UNAVAILABLE), database.transaction() as session:
                return self._recover(session)
        return False

    def _pause(self, session: Session, faults: Collection[Fault]) -> None:
        throttled = [fault for fault in faults if fault.failure.kind is FailureKind.THROTTLED]
        pauses = [fault.retry_after for fault in throttled if fault.retry_after is not None]
        seconds = max(pauses, default=USUAL_PAUSE)
        self._paused_until = max(self._paused_until, time.monotonic() + seconds)
        asked = not all(fault.held_back for fault in throttled)
        breaker.pause(session, self._provider, timedelta(seconds=seconds), asked=asked)

    def _fail(self, session: Session, kind: FailureKind) -> None:
        self._checked = 0.0
        until = breaker.report_failure(session, self._provider, kind)
        if until:
            log.error("provider.taken_out", provider=self._provider, until=until.isoformat())

    def _recover(self, session: Session) -> bool:
        self._checked = time.monotonic()
        recovered = breaker.report_success(session, self._provider)
        if recovered:
            log.info("provider.back", provider=self._provider)
        return recovered
