"""One attempt at a job: claim, call the provider, store, settle. No transaction is open across a network call."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from threading import get_ident
from uuid import UUID

import structlog
from sqlalchemy.orm import Session
from structlog.contextvars import bound_contextvars

from core import calls, images, ledger
from core.bootstrap import Services
from core.errors import Failure, FailureKind, StoreUnavailable
from core.images import Picture, Progress
from core.ledger import Claim
from core.states import SETTLED, CallOutcome, JobState
from workers import retries
from workers.pictures import NotAPicture, develop
from workers.providers.base import Order, Provider
from workers.providers.errors import OutcomeUnknown, ProviderError, Throttled, Unavailable
from workers.retries import Situation

# How long a picture that was paid for waits for Postgres to come back: while the lease may still be ours.
PATIENCE_SECONDS = ledger.LEASE.total_seconds()

OUTCOMES = {
    FailureKind.REJECTED: CallOutcome.REFUSED,
    FailureKind.MODERATED: CallOutcome.REFUSED,
    FailureKind.UNKNOWN: CallOutcome.UNKNOWN,
    FailureKind.INTERNAL: CallOutcome.UNKNOWN,
}
PUBLIC = {
    FailureKind.UNKNOWN: OutcomeUnknown.public,
    FailureKind.LOST: "The workers that made this picture were lost, several times over.",
    FailureKind.STORE: "The picture was made, but could not be stored.",
    FailureKind.INTERNAL: "The service made an error while making the picture.",
}

NOTHING = Progress(stored=frozenset(), held=[])

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A claim and what it found.

    Pictures are `held` from earlier attempts until the store takes them; positions are `missing` that no attempt
    has made. `call_id` is the call on record for these, None where none is needed, or allowed any more.
    """

    claim: Claim
    situation: Situation
    held: list[Picture]
    missing: list[int]
    call_id: UUID | None

    @property
    def given_up(self) -> FailureKind | None:
        return retries.before_call(self.situation) if self.missing else None


class Executor:
    """Runs the jobs of one provider in one worker process. Thread-safe."""

    def __init__(self, services: Services, provider: Provider, *, name: str, worker: str) -> None:
        self._services = services
        self._provider = provider
        self._name = name
        self._worker = worker
        self._running: dict[int, UUID] = {}

    def running(self) -> list[UUID]:
        """The jobs that are being attempted now."""
        return list(self._running.values())

    def execute(self, job_id: UUID) -> None:
        """Make one attempt, if the ledger says that there is one to make."""
        with self._services.database.transaction() as session:
            attempt = _start(session, job_id, self._worker)
        if attempt is None:
            log.info("job.not_claimed", job_id=str(job_id))
            return
        claim = attempt.claim
        self._running[get_ident()] = job_id
        with bound_contextvars(job_id=str(job_id), attempt=claim.attempt, request_id=claim.request_id):
            log.info("job.claimed", provider=self._name)
            try:
                self._run(attempt)
            except Exception:
                log.exception("job.crashed")
                self._fail(attempt, Failure(FailureKind.INTERNAL, PUBLIC[FailureKind.INTERNAL]))
            finally:
                del self._running[get_ident()]

    def _run(self, attempt: Attempt) -> None:
        if attempt.given_up:
            self._fail(attempt, Failure(attempt.given_up, PUBLIC[attempt.given_up]))
            return
        try:
            made = self._make(attempt)
        except ProviderError as error:
            log.warning("provider.failed", kind=error.kind, error=str(error))
            pause = error.retry_after if isinstance(error, Throttled) else None
            self._fail(attempt, Failure(error.kind, error.public), pause)
        else:
            self._keep(attempt, [*attempt.held, *made])

    def _make(self, attempt: Attempt) -> list[Picture]:
        """Call the provider for what is missing. Raises ProviderError."""
        if not attempt.missing:
            return []
        request = attempt.claim.request
        raw = self._provider.submit(
            Order(
                upstream_model=attempt.claim.upstream_model,
                prompt=request.prompt,
                n=len(attempt.missing),
                size=request.size,
                quality=request.quality,
                style=request.style,
            )
        )
        try:
            return [
                Picture(
                    position=position,
                    png=develop(picture.data, request.size),
                    revised_prompt=picture.revised_prompt,
                )
                for position, picture in zip(attempt.missing, raw, strict=False)
            ]
        except NotAPicture as error:
            raise OutcomeUnknown(f"not a picture: {error}") from error

    def _keep(self, attempt: Attempt, pictures: list[Picture]) -> None:
        """Store what was made and settle; what the store does not take is held for the next attempt."""
        stored: list[tuple[Picture, str]] = []
        try:
            for picture in pictures:
                key = picture.object_key
                self._services.storage.put(key, picture.png)
                stored.append((picture, key))
        except StoreUnavailable as error:
            log.warning("store.unavailable", error=str(error))
            self._hold(attempt, pictures)
        else:
            self._settle(attempt, stored)

    def _settle(self, attempt: Attempt, stored: list[tuple[Picture, str]]) -> None:
        """Complete the job; where the provider sent fewer pictures than ordered, record these and go on."""
        short = len(attempt.held) + len(attempt.missing) > len(stored)

        def move(session: Session) -> JobState | None:
            claim = attempt.claim
            if attempt.call_id:
                calls.close_call(session, attempt.call_id, CallOutcome.DELIVERED)
            if short:
                state = _retry_or_fail(session, attempt, Failure(FailureKind.UNAVAILABLE, Unavailable.public))
            else:
                state = JobState.COMPLETED if ledger.succeed(session, claim) else None
            if state and stored:
                images.record(session, claim, stored)
                if attempt.held:
                    images.let_go(session, claim.job_id)
            return state

        self._conclude(attempt, move)

    def _hold(self, attempt: Attempt, pictures: list[Picture]) -> None:
        """Keep pictures on the ledger while the store is away: they are paid for."""

        def move(session: Session) -> JobState | None:
            if attempt.call_id:
                calls.close_call(session, attempt.call_id, CallOutcome.DELIVERED)
            state = _retry_or_fail(session, attempt, Failure(FailureKind.STORE, PUBLIC[FailureKind.STORE]))
            if state is JobState.QUEUED:
                images.hold(session, attempt.claim, pictures)
            return state

        self._conclude(attempt, move)

    def _fail(self, attempt: Attempt, failure: Failure, retry_after: float | None = None) -> None:
        """End an attempt without pictures: another one follows, or the job is settled as failed."""

        def move(session: Session) -> JobState | None:
            if attempt.call_id:
                outcome = OUTCOMES.get(failure.kind, CallOutcome.FAILED)
                calls.close_call(session, attempt.call_id, outcome, failure)
            return _retry_or_fail(session, attempt, failure, retry_after)

        self._conclude(attempt, move)

    def _conclude(self, attempt: Attempt, move: Callable[[Session], JobState | None]) -> None:
        """Commit the end of an attempt, tell who waits, and fill the slot that fell free."""
        state = self._services.database.insist(move, seconds=PATIENCE_SECONDS)
        if state in SETTLED:
            self._services.notifier.announce(attempt.claim.job_id)
        self._services.intake.start_due(self._name)
        log.info("job.attempt_ended", provider=self._name, state=state or "overtaken")


def _start(session: Session, job_id: UUID, worker: str) -> Attempt | None:
    """Claim, look at what earlier attempts left, and put the call that is needed on record."""
    claim = ledger.claim(session, job_id, worker)
    if claim is None:
        return None
    found, unknown = NOTHING, 0
    if claim.attempt > 1:
        calls.give_up_open_calls(session, job_id)
        found, unknown = images.progress(session, job_id), calls.unknown(session, job_id)
    there = found.stored | {picture.position for picture in found.held}
    missing = [position for position in range(claim.request.n) if position not in there]
    age = claim.claimed_at - claim.created_at
    situation = Situation(failures=claim.failures, unknown=unknown, age=age)
    call_id = None
    if missing and not retries.before_call(situation):
        call_id = calls.open_call(session, claim, pictures=len(missing))
    return Attempt(claim=claim, situation=situation, held=found.held, missing=missing, call_id=call_id)


def _retry_or_fail(
    session: Session, attempt: Attempt, failure: Failure, retry_after: float | None = None
) -> JobState | None:
    """The state that the job was moved to; None where a newer attempt or a cancellation came first."""
    pause = None if retry_after is None else timedelta(seconds=retry_after)
    retry = retries.after_failure(failure.kind, attempt.situation, retry_after=pause)
    if retry:
        moved = ledger.retry_later(session, attempt.claim, failure, delay=retry.delay, counts=retry.counts)
        return JobState.QUEUED if moved else None
    if not ledger.fail(session, attempt.claim, failure):
        return None
    images.let_go(session, attempt.claim.job_id)
    return JobState.FAILED
