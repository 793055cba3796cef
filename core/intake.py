"""Record, commit, then admit and publish: the one use case behind every door."""

import time
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.orm import Session

from core import admission, idempotency, money, results, submissions
from core.broker import Broker
from core.catalog import Catalog
from core.database import UNAVAILABLE, Database, run
from core.errors import IntakeInDoubt
from core.statements import Step
from core.submissions import Submission

# How long a request whose commit was not answered waits to learn whether it was recorded.
DOUBT_SECONDS = 5.0
LOOK_SECONDS = 0.05

_IS_THERE = text("SELECT true FROM pg_stat_activity WHERE pid = :backend")

log = structlog.get_logger()


class Intake:
    """Takes accepted requests in. Once `submit` returns, nothing but Postgres is needed not to lose the job."""

    def __init__(self, database: Database, broker: Broker, catalog: Catalog) -> None:
        self._database = database
        self._broker = broker
        self._catalog = catalog

    def submit(self, submission: Submission) -> UUID:
        """Put a request on the ledger; the id of its job, or of the one that its idempotency key stands for.

        Raises CapReached, TooManyInFlight and IdempotencyMismatch; SQLAlchemy's OperationalError when nothing was
        recorded, IntakeInDoubt when nobody knows.
        """
        return self._submit(submission) if submission.idempotency_key is None else self._submit_once(submission)

    def _submit(self, submission: Submission) -> UUID:
        provider, backend = submission.model.provider, None
        try:
            with self._database.line() as line:
                backend = line.backend
                recorded, _, admitted = line.run([self._recording(submission)], admission.steps(provider))
        except UNAVAILABLE:
            # The broken connection is given back by now: many that look at once must not wait for each other.
            if backend is None or not self._was_recorded(submission.job_id, backend):
                raise
            self.start_due(provider)
            return submission.job_id
        self._broker.publish(provider, [row.id for row in admitted])
        if not recorded:
            with self._database.transaction() as session:
                self._record(session, submission)
            self.start_due(provider)
        return submission.job_id

    def _submit_once(self, submission: Submission) -> UUID:
        """However often it is done, it is done once: an answer that was lost leaves no doubt."""

        def work(session: Session) -> UUID:
            standing = idempotency.take(session, submission)
            if standing is None:
                self._record(session, submission)
            return standing or submission.job_id

        job_id = self._database.insist(work, seconds=DOUBT_SECONDS)
        self.start_due(submission.model.provider)
        return job_id

    def _recording(self, submission: Submission) -> Step:
        return submissions.recording(submission, slots=self._catalog.calls(submission.model, submission.request.n))

    def _record(self, session: Session, submission: Submission) -> None:
        """Record, or raise why there is no room in the key's budget."""
        while not run(session, self._recording(submission)):
            if reason := money.refusal(session, submission.key_id, submission.price):
                raise reason

    def start_due(self, provider: str) -> None:
        """Let start what may start; what cannot be seen to now waits for the scheduler's next look."""
        try:
            admitted = admission.admit(self._database, provider)
        except UNAVAILABLE as error:
            log.warning("admission.unavailable", error=str(error).partition("\n")[0])
        else:
            self._broker.publish(provider, admitted)

    def _was_recorded(self, job_id: UUID, backend: int) -> bool:
        """The connection broke under the statement that commits: only the ledger can tell.

        And only once its `backend` has ended, which may be committing still, whoever is there to hear of it.
        """

        def look(session: Session) -> bool | None:
            ended = not session.scalar(_IS_THERE, {"backend": backend})
            recorded = results.job(session, job_id) is not None
            return recorded if recorded or ended else None

        deadline = time.monotonic() + DOUBT_SECONDS
        try:
            while (found := self._database.insist(look, seconds=DOUBT_SECONDS)) is None:
                if time.monotonic() > deadline:
                    raise IntakeInDoubt
                time.sleep(LOOK_SECONDS)
        except UNAVAILABLE as error:
            raise IntakeInDoubt from error
        return found
