"""Record, commit, then publish: the one use case behind every door."""

from uuid import UUID

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

from core import ledger
from core.broker import Broker
from core.catalog import Model
from core.database import Database
from core.errors import IntakeInDoubt
from core.generation import GenerationRequest
from core.keys import Caller

# How long a request whose commit was not answered waits to learn whether it was recorded.
DOUBT_SECONDS = 5.0


class Intake:
    """Takes accepted requests in. Once `submit` returns, nothing but Postgres is needed not to lose the job."""

    def __init__(self, database: Database, broker: Broker) -> None:
        self._database = database
        self._broker = broker

    def submit(
        self, job_id: UUID, request: GenerationRequest, *, model: Model, caller: Caller, request_id: str
    ) -> None:
        """Raises SQLAlchemy's OperationalError when nothing was recorded, IntakeInDoubt when nobody knows."""
        admitted: list[UUID] | None = None
        try:
            with self._database.transaction() as session:
                ledger.record(session, job_id, request, model=model, key_id=caller.key_id, request_id=request_id)
                admitted = ledger.admit(session, model.provider)
        except (OperationalError, InterfaceError):
            if admitted is None or not self._was_recorded(job_id):
                raise
        self._broker.publish(model.provider, admitted)

    def _was_recorded(self, job_id: UUID) -> bool:
        """The connection broke while the commit was under way: only the ledger can tell."""

        def look(session: Session) -> bool:
            return ledger.job(session, job_id) is not None

        try:
            return self._database.insist(look, seconds=DOUBT_SECONDS)
        except (OperationalError, InterfaceError) as error:
            raise IntakeInDoubt from error
