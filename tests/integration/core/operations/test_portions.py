"""An operation goes through its jobs by portions, each once."""

from sqlalchemy import update

from core.bootstrap import Services
from core.operations import orders, portions
from core.orm import Operation
from core.states import OperationKind, OperationState
from tests import builders
from tests.integration.core.operations.ordering import fail, operation_of, order, retries
from workers.operations import Operator


def test_what_is_stopped_half_way_goes_no_further(services: Services) -> None:
    _, caller = builders.make_caller(services)
    builders.copy(services, builders.queue(services, caller), portions.MOST)
    operation_id = order(services, OperationKind.CANCEL)
    with services.database.transaction() as session:
        taken = portions.take(session)
        assert taken
        first = portions.next_portion(session, taken)
        assert portions.advance(session, services.catalog, taken, first)
        taken.position = first.last
        orders.stop(session, operation_id, actor="ada")

        assert portions.advance(session, services.catalog, taken, portions.next_portion(session, taken)) is None

    ended = operation_of(services, operation_id)
    assert (ended.state, ended.done) == (OperationState.STOPPED, portions.MOST)
    assert not Operator(services).work()


def test_a_portion_is_done_once_though_two_are_at_it(services: Services) -> None:
    fail(services)
    order(services, OperationKind.RETRY)
    with services.database.transaction() as session:
        mine = portions.take(session)
        assert mine
        assert portions.take(session) is None
        session.execute(update(Operation).values(lease_until=Operation.lease_until - portions.LEASE))
        theirs = portions.take(session)
        assert theirs
        portion = portions.next_portion(session, mine)

        assert portions.advance(session, services.catalog, theirs, portion)
        assert portions.advance(session, services.catalog, mine, portion) is None

    assert len(retries(services)) == 1
