"""Record, commit, then admit and publish: the one use case behind every door."""

from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from core import admission, ledger, results
from core.broker import Broker
from core.catalog import Catalog
from core.database import BEGIN, COMMIT, UNAVAILABLE, Database
from core.errors import IntakeInDoubt
from core.ledger import Submission

# How long a request whose commit was not answered waits to learn whether it was recorded.
DOUBT_SECONDS = 5.0

log = structlog.get_logger()


class Intake:
    """Takes accepted requests in. Once `submit` returns, nothing but Postgres is needed not to lose the job."""

    def __init__(self, database: Database, broker: Broker, catalog: Catalog) -> None:
        self._database = database
        self._broker = broker
        self._catalog = catalog

    def submit(self, submission: Submission) -> UUID:
        """Put a request on the ledger; the id of its job.

        Raises SQLAlchemy's OperationalError when nothing was recorded, IntakeInDoubt when nobody knows.
        """
        model = submission.model
        recording = ledger.recording(submission, slots=self._catalog.calls(model, submission.request.n))
        at_stake = False
        try:
            with self._database.line() as line:
                at_stake = True
                # Two transactions, one round trip.
                admitted = line.run(BEGIN, recording, COMMIT, *admission.steps(model.provider))
        except UNAVAILABLE:
            # The broken connection is given back by now: many that look at once must not wait for each other.
            if not at_stake or not self._was_recorded(submission.job_id):
                raise
            self.start_due(model.provider)
        else:
            self._broker.publish(model.provider, [row.id for row in admitted])
        return submission.job_id

    def start_due(self, provider: str) -> None:
        """Let start what may start; what cannot be seen to now waits for the scheduler's next look."""
        try:
            admitted = admission.admit(self._database, provider)
        except UNAVAILABLE as error:
            log.warning("admission.unavailable", error=str(error).partition("\n")[0])
        else:
            self._broker.publish(provider, admitted)

    def _was_recorded(self, job_id: UUID) -> bool:
        """The connection broke under the statement that commits: only the ledger can tell."""

        def look(session: Session) -> bool:
            return results.job(session, job_id) is not None

        try:
            return self._database.insist(look, seconds=DOUBT_SECONDS)
        except UNAVAILABLE as error:
            raise IntakeInDoubt from error
