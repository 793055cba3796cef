"""Plays operators who have something done to many jobs, and the scheduler that does it."""

from uuid import UUID

from sqlalchemy import select

from core import admission, ledger
from core.bootstrap import Services
from core.errors import Failure, FailureKind
from core.operations import orders
from core.operations.orders import Options, Order
from core.operations.selections import Selection
from core.orm import Job, Operation
from core.states import OperationKind
from tests import builders
from workers.operations import Operator


def order(services: Services, kind: OperationKind, selection: Selection | None = None, **options: object) -> UUID:
    """Ordered by ada, to be done to all jobs unless a selection is given."""
    wanted = Order(kind=kind, selection=selection or Selection(), options=Options(**options))  # type: ignore[arg-type] # as given
    with services.database.transaction() as session:
        return orders.place(session, services.catalog, wanted, actor="ada", why="a test")


def operation_of(services: Services, operation_id: UUID) -> Operation:
    with services.database.transaction() as session:
        operation = orders.one(session, operation_id)
    assert operation
    return operation


def done(services: Services, operation_id: UUID) -> Operation:
    """The operation, once it was worked at."""
    assert Operator(services).work()
    return operation_of(services, operation_id)


def fail(services: Services, **limits: object) -> UUID:
    """A failed job of a key with these limits."""
    _, caller = builders.make_caller(services, **limits)
    job_id = builders.queue(services, caller)
    end(services, job_id)
    return job_id


def end(services: Services, job_id: UUID) -> None:
    """A queued job is begun, and fails."""
    builders.register(services)
    assert job_id in admission.admit(services.database, "openai")
    with services.database.transaction() as session:
        claim = builders.try_to_claim(session, job_id, "worker-1")
        assert claim
        assert ledger.fail(session, claim, Failure(FailureKind.UNAVAILABLE, "away"))


def retries(services: Services) -> list[Job]:
    with services.database.transaction() as session:
        return list(session.scalars(select(Job).where(Job.retry_of.is_not(None)).order_by(Job.id)))
