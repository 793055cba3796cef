"""One attempt at a job: claim, run its errands, settle. No transaction is open across a network call."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from datetime import timedelta
from threading import Event, get_ident
from uuid import UUID

import structlog
from sqlalchemy.orm import Session
from structlog.contextvars import bound_contextvars

from core import admission, calls, cancellation, images, ledger, tracing
from core.bootstrap import Services
from core.database import UNAVAILABLE, run
from core.errors import FailureKind, StoreUnavailable
from core.images import Picture
from core.ledger import Claim
from core.statements import Step
from core.states import SETTLED, CallOutcome, JobState
from workers import retries
from workers.attempt import Attempt, plan
from workers.errand import Errand, LetGo, Runner
from workers.faults import Fault, fault_from, fault_of, gravest
from workers.landings import Landing
from workers.pacing import Pacing
from workers.providers.base import Provider
from workers.providers.errors import ProviderError
from workers.providers.polling import Overtaken, Pace
from workers.retries import Situation
from workers.standing import Standing

# How long a picture that was paid for waits for Postgres to come back: while the lease may still be ours.
PATIENCE_SECONDS = ledger.LEASE.total_seconds()

log = structlog.get_logger()


class Executor:
    """Runs the jobs of one provider in one worker process. Thread-safe."""

    def __init__(self, services: Services, provider: Provider, *, name: str, worker: str) -> None:
        entry = services.catalog.provider(name)
        assert entry, name
        self._services = services
        self._pictures_per_call = provider.pictures_per_call
        self._when_unknown = entry.when_unknown
        pace = Pace(interval=entry.poll_seconds, deadline=entry.deadline_seconds)
        self._stopping = Event()
        self._runner = Runner(
            services.database, provider, pace=pace, gate=self._pass_gate, stopping=self._stopping
        )
        self._standing = Standing(name)
        self.pacing = Pacing(services.settings.redis_url, name, entry.rate)
        self._name = name
        self._worker = worker
        self._running: dict[int, UUID] = {}

    def _pass_gate(self) -> None:
        self._standing.wait_if_paused()
        self.pacing.take()

    def running(self) -> list[UUID]:
        """The jobs that are being attempted now."""
        return list(self._running.values())

    def stop(self) -> None:
        """Begin nothing from now on, and hand over what others can go on with: accepted orders, calls not made."""
        self._stopping.set()

    def abandon(self) -> None:
        """Leave what is under way to be rescued, since the process ends now."""
        with suppress(*UNAVAILABLE), self._services.database.transaction() as session:
            for job in ledger.abandon(session, self._worker):
                log.warning("job.abandoned", **job.facts())

    def execute(self, job_id: UUID, *, sent_by: str | None = None) -> None:
        """Make one attempt, if the ledger says that there is one to make; `sent_by` is its message's trace."""
        if self._stopping.is_set():
            self._services.broker.publish(self._name, [job_id])
            return
        attempt = self._start(job_id)
        if attempt is None:
            log.info("job.not_claimed", job_id=str(job_id), provider=self._name)
            return
        claim = attempt.claim
        self._running[get_ident()] = job_id
        facts = {"attempt": claim.attempt, "provider": self._name, "request_id": claim.request_id}
        with (
            bound_contextvars(job_id=str(job_id), **facts),
            tracing.attempt(job_id, sent_by=sent_by, model=claim.request.model, **facts),
        ):
            log.info("job.claimed")
            try:
                self._see_through(attempt)
            except Overtaken:
                self._let_go(claim)
            finally:
                del self._running[get_ident()]

    def _see_through(self, attempt: Attempt) -> None:
        """To whatever end; raises Overtaken where that changed nothing."""
        try:
            self._run(attempt)
        except Overtaken:
            raise
        except LetGo:
            self._hand_over(attempt)
        except Exception:
            log.exception("job.crashed")
            self._crash(attempt)

    def _let_go(self, claim: Claim) -> None:
        """Somebody else has the job now, or it was cancelled: then the slots of its calls fall free."""
        log.info("job.overtaken")
        if self._services.database.insist(
            lambda session: cancellation.let_go(session, claim), seconds=PATIENCE_SECONDS
        ):
            self._services.intake.start_due(self._name)

    def _start(self, job_id: UUID) -> Attempt | None:
        """Claim, and see what is to be done: as a rule one call, which is put on record in the same commit."""
        with self._services.database.line() as line:
            claimed, opened = line.run(
                [
                    ledger.claiming(job_id, self._worker),
                    calls.opening_first(job_id, self._worker, pictures_per_call=self._pictures_per_call),
                ]
            )
        claim = ledger.claim_of(claimed)
        if claim is None:
            return None
        if opened:
            errands, unknown = [Errand(positions=list(range(claim.request.n)), call_id=opened[0].id)], 0
        else:
            with self._services.database.transaction() as session:
                errands, unknown = plan(session, claim, pictures_per_call=self._pictures_per_call)
        situation = Situation(
            failures=claim.failures,
            unknown=unknown,
            age=claim.claimed_at - claim.created_at,
            when_unknown=self._when_unknown,
        )
        return Attempt(claim=claim, situation=situation, errands=errands)

    def _run(self, attempt: Attempt) -> None:
        errands, landings = attempt.errands, list[Landing]()
        if attempt.given_up:  # what is paid for already is fetched all the same
            landings = [
                Landing(errand=errand, fault=fault_of(attempt.given_up)) for errand in errands if errand.is_new
            ]
            errands = [errand for errand in errands if not errand.is_new]
        if len(errands) == 1:
            landings.append(self._fetch(attempt.claim, errands[0]))
        elif errands:
            landings += self._fetch_side_by_side(attempt.claim, errands)
        self._settle(attempt, landings)

    def _fetch_side_by_side(self, claim: Claim, errands: list[Errand]) -> list[Landing]:
        """As many errands at once as the job has slots; each is recorded as it lands."""
        with ThreadPoolExecutor(claim.slots, thread_name_prefix="errand") as pool:
            under_way = [
                pool.submit(copy_context().run, self._fetch_and_record, claim, errand) for errand in errands
            ]
        return [landing.result() for landing in under_way]

    def _fetch_and_record(self, claim: Claim, errand: Errand) -> Landing:
        landing = self._fetch(claim, errand)
        if not landing.stored:
            return landing
        [mine] = self._services.database.insist_on(
            [*landing.recording(claim), ledger.holding(claim)], seconds=PATIENCE_SECONDS
        )
        if not mine:
            raise Overtaken
        return Landing(errand=errand, fault=landing.fault)

    def _fetch(self, claim: Claim, errand: Errand) -> Landing:
        """Run one errand as far as the store."""
        try:
            pictures = self._runner.fetch(claim, errand)
        except ProviderError as error:
            log.warning("provider.failed", kind=error.kind, error=str(error))
            return Landing(errand=errand, fault=fault_from(error))
        try:
            stored = [self._store(claim, picture) for picture in pictures]
        except StoreUnavailable as error:
            log.warning("store.unavailable", error=str(error))
            self._hold(claim, errand, pictures)
            return Landing(errand=errand, fault=fault_of(FailureKind.STORE))
        short = len(stored) < len(errand.positions)  # the rest is ordered by the next attempt
        return Landing(errand=errand, stored=stored, fault=fault_of(FailureKind.UNAVAILABLE) if short else None)

    def _store(self, claim: Claim, picture: Picture) -> tuple[Picture, str]:
        key = picture.object_key(claim)
        self._services.storage.put(key, picture.png)
        return picture, key

    def _hold(self, claim: Claim, errand: Errand, pictures: list[Picture]) -> None:
        """Keep pictures on the ledger while the store is away: they are paid for."""

        def work(session: Session) -> None:
            for step in errand.closing(CallOutcome.DELIVERED):
                run(session, step)
            if ledger.holds(session, claim):
                images.hold(session, claim, pictures)

        self._services.database.insist(work, seconds=PATIENCE_SECONDS)

    def _settle(self, attempt: Attempt, landings: list[Landing]) -> None:
        """Record what is not recorded yet; complete the job, or end the attempt with its gravest fault."""
        steps = [step for landing in landings for step in landing.recording(attempt.claim)]
        called = any(landing.errand.call_id for landing in landings)
        faults = [landing.fault for landing in landings if landing.fault]
        if faults:
            self._fall_short(attempt, faults, steps, called=called)
            return
        settled = self._succeed(attempt, steps)
        if called and self._standing.report_success(self._services.database):
            self._services.intake.start_due(self._name)  # it may be asked for more than one picture again
        if not settled:
            raise Overtaken

    def _succeed(self, attempt: Attempt, steps: list[Step]) -> bool:
        """The end of nearly every job, hence in one round trip with the admission of what comes next."""
        job_id = attempt.claim.job_id
        settled, _, admitted = self._services.database.insist_on(
            [*steps, ledger.succeeding(attempt.claim)], admission.steps(self._name), seconds=PATIENCE_SECONDS
        )
        if settled:
            self._services.notifier.announce(job_id)
            log.info("job.attempt_ended", state=JobState.COMPLETED)
        self._services.broker.publish(self._name, [row.id for row in admitted])
        return bool(settled)

    def _hand_over(self, attempt: Attempt) -> None:
        def move(session: Session) -> JobState | None:
            return JobState.QUEUED if ledger.hand_over(session, attempt.claim) else None

        self._conclude(attempt, move)

    def _fall_short(self, attempt: Attempt, faults: list[Fault], steps: list[Step], *, called: bool) -> None:
        def move(session: Session) -> JobState | None:
            for step in steps:
                run(session, step)
            if called:
                self._standing.report(session, faults)
            return _retry_or_fail(session, attempt, gravest(faults))

        self._conclude(attempt, move)

    def _crash(self, attempt: Attempt) -> None:
        """A bug of ours: whatever was sent may have been charged."""

        def move(session: Session) -> JobState | None:
            calls.give_up_calls(session, attempt.claim.job_id)
            return _retry_or_fail(session, attempt, fault_of(FailureKind.INTERNAL))

        self._conclude(attempt, move)

    def _conclude(self, attempt: Attempt, move: Callable[[Session], JobState | None]) -> None:
        """Commit the end of an attempt that fell short, tell who waits, and fill the slots that fell free."""
        state = self._services.database.insist(move, seconds=PATIENCE_SECONDS)
        if state in SETTLED:
            self._services.notifier.announce(attempt.claim.job_id)
        self._services.intake.start_due(self._name)
        if state is None:
            raise Overtaken
        log.info("job.attempt_ended", state=state)


def _retry_or_fail(session: Session, attempt: Attempt, fault: Fault) -> JobState | None:
    """The state that the job was moved to; None where a newer attempt or a cancellation came first."""
    pause = None if fault.retry_after is None else timedelta(seconds=fault.retry_after)
    retry = retries.after_failure(fault.failure.kind, attempt.situation, retry_after=pause)
    if retry:
        moved = ledger.retry_later(session, attempt.claim, fault.failure, delay=retry.delay, counts=retry.counts)
        return JobState.QUEUED if moved else None
    if not ledger.fail(session, attempt.claim, fault.failure):
        return None
    run(session, images.letting_go(attempt.claim.job_id))
    return JobState.FAILED
