"""What a worker process finds out about its provider: passed on to the ledger for all, and kept in mind itself."""

import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta

import structlog
from sqlalchemy.orm import Session

from core import breaker
from core.database import UNAVAILABLE, Database
from core.errors import FailureKind
from workers.providers.errors import Throttled

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
        """Raises Throttled while the provider wants to be left alone: its pause is for all calls, not for one."""
        left = self._paused_until - time.monotonic()
        if left > 0:
            raise Throttled("paused", retry_after=left)

    def report(self, session: Session, kinds: Iterable[FailureKind], retry_after: float | None) -> None:
        """Tell the ledger of the faults, of these `kinds`, that an attempt's calls ended with."""
        found = set(kinds)
        if FailureKind.THROTTLED in found:
            self._pause(session, USUAL_PAUSE if retry_after is None else retry_after)
        if found & TROUBLE:
            self._fail(session)
        elif FailureKind.THROTTLED not in found:
            self._recover(session)

    def report_success(self, database: Database) -> bool:
        """Tell the ledger that all was well: True where that was news. Mostly it is none; there is a next time."""
        if time.monotonic() - self._checked >= CHECK_SECONDS:
            with suppress(*UNAVAILABLE), database.transaction() as session:
                return self._recover(session)
        return False

    def _pause(self, session: Session, seconds: float) -> None:
        self._paused_until = max(self._paused_until, time.monotonic() + seconds)
        breaker.pause(session, self._provider, timedelta(seconds=seconds))

    def _fail(self, session: Session) -> None:
        self._checked = 0.0
        until = breaker.report_failure(session, self._provider)
        if until:
            log.error("provider.taken_out", provider=self._provider, until=until.isoformat())

    def _recover(self, session: Session) -> bool:
        self._checked = time.monotonic()
        recovered = breaker.report_success(session, self._provider)
        if recovered:
            log.info("provider.back", provider=self._provider)
        return recovered
