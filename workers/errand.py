"""One provider call, from its record on the ledger to pictures that can be trusted."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from threading import Event
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from core import calls, ledger, tracing
from core.database import UNAVAILABLE, Database
from core.errors import Failure, FailureKind
from core.images import Picture
from core.ledger import Claim
from core.statements import Step
from core.states import CallOutcome
from workers.pictures import NotAPicture, develop
from workers.providers import polling
from workers.providers.base import Delivered, Order, Pending, Provider, RawPicture
from workers.providers.errors import OutcomeUnknown, ProviderError
from workers.providers.polling import Pace

log = structlog.get_logger()

OUTCOMES = {
    FailureKind.REJECTED: CallOutcome.REFUSED,
    FailureKind.MODERATED: CallOutcome.REFUSED,
    FailureKind.UNKNOWN: CallOutcome.UNKNOWN,
    FailureKind.INTERNAL: CallOutcome.UNKNOWN,
}


class LetGo(Exception):
    """The process is about to end: whoever has the job next goes on with it."""


@dataclass(slots=True, kw_only=True)
class Errand:
    """Some pictures of a job to be fetched.

    New where neither a `call_id` nor a `handle` is there yet; on record with the one, accepted with both. Pictures
    `held` from an earlier attempt only want to be stored. `polls` counts how often its call was asked after here;
    `arrived` is when its pictures came, by this process's own clock.
    """

    positions: list[int]
    call_id: UUID | None = None
    handle: Mapping[str, Any] | None = None
    held: list[Picture] = field(default_factory=list)
    polls: int = 0
    arrived: float | None = None

    @property
    def is_new(self) -> bool:
        return not self.held and self.handle is None

    def closing(self, outcome: CallOutcome, failure: Failure | None = None) -> list[Step]:
        """Records what became of its call, where it made one."""
        if self.call_id is None:
            return []
        since = None if self.arrived is None else timedelta(seconds=time.monotonic() - self.arrived)
        return [calls.closing(self.call_id, outcome, failure, polls=self.polls, since_arrival=since)]


class Runner:
    """Runs the errands of one provider's jobs. Thread-safe."""

    def __init__(
        self, database: Database, provider: Provider, *, pace: Pace, gate: Callable[[], None], stopping: Event
    ) -> None:
        """`gate` is passed before each new call; it raises HeldBack when there is no getting through now.

        Once `stopping` is set no call is begun, and accepted ones are let go.
        """
        self._database = database
        self._provider = provider
        self._pace = replace(pace, rest=self._rest)
        self._gate = gate
        self._stopping = stopping

    def fetch(self, claim: Claim, errand: Errand) -> list[Picture]:
        """The pictures, at most as many as wanted.

        Raises ProviderError, with its call closed; Overtaken; or LetGo, with its call accepted or not made.
        """
        if errand.held:
            return errand.held
        try:
            answer = self._call(claim, errand)
            errand.arrived = time.monotonic()
            return _develop(claim, errand, answer.pictures)
        except ProviderError as error:
            self.close(errand, Failure(error.kind, error.public))
            raise

    def close(self, errand: Errand, failure: Failure) -> None:
        """Put on record that nothing came of the errand's call."""
        outcome = OUTCOMES.get(failure.kind, CallOutcome.FAILED)
        if errand.handle is not None and failure.kind is FailureKind.MISCONFIGURED:
            outcome = CallOutcome.UNKNOWN  # it was accepted; only the way to its pictures is barred
        if closing := errand.closing(outcome, failure):
            self._database.insist_on(closing, seconds=ledger.LEASE.total_seconds())

    def _call(self, claim: Claim, errand: Errand) -> Delivered:
        if errand.handle is None:
            self._gate()
            self._open(claim, errand)
        facts = {"provider": claim.provider, "upstream_model": claim.upstream_model}
        with tracing.call(attempt=claim.attempt, **facts):
            return self._submit_and_wait(claim, errand)

    def _submit_and_wait(self, claim: Claim, errand: Errand) -> Delivered:
        order = _order(claim, errand)

        def ask(handle: Mapping[str, Any]) -> Delivered | Pending:
            errand.polls += 1
            return self._provider.poll(order, handle)

        if errand.handle is None:
            answer = self._provider.submit(order)
            if isinstance(answer, Delivered):
                return answer
            self._accept(errand, answer.handle)
        assert errand.handle is not None
        return polling.wait(
            ask,
            errand.handle,
            pace=self._pace,
            keep=lambda handle: self._accept(errand, handle),
            wanted=lambda: self._stands(claim),
        )

    def _open(self, claim: Claim, errand: Errand) -> None:
        """Whoever pays for a call finds it on the ledger, even if this process is gone by then."""
        if errand.call_id is not None:
            return
        if self._stopping.is_set():
            raise LetGo

        def work(session: Session) -> UUID | None:
            if not ledger.holds(session, claim):
                return None
            return calls.open_call(session, claim, positions=errand.positions)

        errand.call_id = self._database.insist(work, seconds=ledger.LEASE.total_seconds())
        if errand.call_id is None:
            raise polling.Overtaken

    def _accept(self, errand: Errand, handle: Mapping[str, Any]) -> None:
        """The handle is what the money bought so far: it waits for Postgres as a picture would."""
        call_id = errand.call_id
        assert call_id is not None

        def work(session: Session) -> None:
            calls.accept_call(session, call_id, handle)

        self._database.insist(work, seconds=ledger.LEASE.total_seconds())
        errand.handle = handle

    def _rest(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise LetGo

    def _stands(self, claim: Claim) -> bool:
        """An order for a cancelled job is asked after as well: until it has ended it takes its provider's slot.

        While Postgres is away nobody can say so: the order stays worth asking after.
        """
        try:
            with self._database.single() as session:
                return ledger.stands(session, claim)
        except UNAVAILABLE as error:
            log.warning("database.unavailable", error=str(error).partition("\n")[0])
            return True


def _order(claim: Claim, errand: Errand) -> Order:
    request = claim.request
    return Order(
        upstream_model=claim.upstream_model,
        prompt=request.prompt,
        n=len(errand.positions),
        size=request.size,
        quality=request.quality,
        style=request.style,
        first=min(errand.positions),
        extras=request.extras,
    )


def _develop(claim: Claim, errand: Errand, raw: list[RawPicture]) -> list[Picture]:
    if not raw:
        raise OutcomeUnknown("delivered, but no pictures")
    try:
        return [
            Picture(
                position=position,
                png=develop(picture.data, claim.request.size),
                revised_prompt=picture.revised_prompt,
            )
            for position, picture in zip(errand.positions, raw, strict=False)
        ]
    except NotAPicture as error:
        raise OutcomeUnknown(f"not a picture: {error}") from error
