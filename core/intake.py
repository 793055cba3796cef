"""Record, commit, then admit: the one use case behind every door."""

from uuid import UUID

from core import ledger
from core.broker import Broker
from core.catalog import Model
from core.database import Database
from core.generation import GenerationRequest
from core.keys import Caller


class Intake:
    """Takes accepted requests in. Once `submit` returns, nothing but Postgres is needed not to lose the job."""

    def __init__(self, database: Database, broker: Broker) -> None:
        self._database = database
        self._broker = broker

    def submit(
        self, job_id: UUID, request: GenerationRequest, *, model: Model, caller: Caller, request_id: str
    ) -> None:
        with self._database.transaction() as session:
            ledger.record(session, job_id, request, model=model, key_id=caller.key_id, request_id=request_id)
            admitted = ledger.admit(session, model.provider)
        self._broker.publish(model.provider, admitted)
