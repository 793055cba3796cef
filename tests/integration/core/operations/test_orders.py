"""Operations are foreseen, ordered, refused and stopped."""

from decimal import Decimal

import pytest

from core import audit
from core.bootstrap import Services
from core.operations import orders
from core.operations.orders import Dearer, OperationRefused, Order
from core.operations.selections import Selection
from core.searches.search import Search, from_query
from core.states import Lane, OperationKind
from tests import builders
from tests.integration.core.operations.ordering import end, fail, order


def test_an_operation_is_foreseen_with_its_cost(services: Services) -> None:
    failed = builders.job_of(services, fail(services))
    _, caller = builders.make_caller(services)
    builders.queue(services, caller)

    with services.database.transaction() as session:
        retry = orders.preview(
            session, services.catalog, Order(kind=OperationKind.RETRY, selection=Selection(ids=(failed.id,)))
        )
        cancel = orders.preview(session, services.catalog, Order(kind=OperationKind.CANCEL, selection=Selection()))

    assert (retry.total, retry.cost, retry.capped) == (1, failed.price, False)
    assert (cancel.total, cancel.cost, cancel.capped) == (1, Decimal(0), False)


@pytest.mark.parametrize(
    ("kind", "query"),
    [
        (OperationKind.CANCEL, {"state": "failed"}),
        (OperationKind.REROUTE, {}),
        (OperationKind.CHANGE_LANE, {}),
        (OperationKind.EXPORT, {}),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(
    services: Services, kind: OperationKind, query: dict[str, str]
) -> None:
    with pytest.raises(OperationRefused):
        order(services, kind, Selection(search=from_query(query)))


def test_an_order_that_is_placed_twice_is_done_once(services: Services) -> None:
    wanted = Order(kind=OperationKind.CANCEL, selection=Selection())

    with services.database.transaction() as session:
        placed = [orders.place(session, services.catalog, wanted, actor="ada") for _ in range(2)]

        assert placed == [wanted.id, wanted.id]
        assert [operation.id for operation in orders.every(session, 10)] == [wanted.id]
        assert len(audit.page(session, subject=f"operation {wanted.id}", limit=10)) == 1


def test_what_would_cost_more_by_now_than_was_agreed_is_not_ordered(services: Services) -> None:
    _, caller = builders.make_caller(services)
    under_way = builders.queue(services, caller)
    wanted = Order(kind=OperationKind.RETRY, selection=Selection(), at_most=Decimal(0))
    end(services, under_way)

    with services.database.transaction() as session:
        with pytest.raises(Dearer):
            orders.place(session, services.catalog, wanted, actor="ada")

        assert orders.every(session, 10) == []


def test_who_ordered_and_who_stopped_it_is_on_the_audit(services: Services) -> None:
    operation_id = order(services, OperationKind.CANCEL, Selection(search=Search(lane=Lane.BATCH)))
    with services.database.transaction() as session:
        assert orders.stop(session, operation_id, actor="bob")
        assert not orders.stop(session, operation_id, actor="bob")

        entries = audit.page(session, subject=f"operation {operation_id}", limit=10)

    assert [(entry.actor, entry.action, entry.why) for entry in entries] == [
        ("bob", "operation.stop", None),
        ("ada", "jobs.cancel", "a test"),
    ]
