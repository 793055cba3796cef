"""Deliverers at work: beside each other, with slow receivers, and when something breaks."""

from collections.abc import Sequence
from threading import Event, stack_size

import pytest
from sqlalchemy import text, update
from structlog.testing import capture_logs

from core import deliveries
from core.bootstrap import Services
from core.keys import Caller
from core.orm import Delivery
from core.states import DeliveryState
from tests import builders
from tests.integration.workers.telling import (
    SOON,
    WITHIN,
    delivering,
    end_a_job,
    history,
    ping,
    register,
    until_ended,
)
from tests.receiver import Answer, Receiver
from tests.stack import until
from workers.deliveries import CRASHED, LEFT_FOR_ONE, MOST_AT_ONCE, MOST_OF_A_LANE

MOST_OF_A_KEY = MOST_AT_ONCE // (1 + LEFT_FOR_ONE)


@pytest.fixture
def caller(services: Services) -> Caller:
    return builders.make_caller(services)[1]


def test_a_slow_receiver_takes_nobodys_place_but_its_own(services: Services, caller: Caller) -> None:
    let_go = Event()
    slow = [Answer(first=lambda: let_go.wait(WITHIN))] * 50
    with Receiver(*slow) as hung, Receiver() as receiver, delivering(services):
        crowd = register(services, caller, hung.url)
        for _ in range(30):
            ping(services, crowd)
        until(lambda: len(hung.got) == MOST_OF_A_LANE, "it is busy", within=WITHIN)

        register(services, caller, receiver.url, "image.generation.job.cancelled")
        end_a_job(services, caller)
        until(lambda: receiver.got, "the other is told", within=5)

        assert len(hung.got) == MOST_OF_A_LANE
        let_go.set()


def test_a_key_takes_no_more_than_its_share_of_all_places(services: Services, caller: Caller) -> None:
    let_go = Event()
    slow = [Answer(first=lambda: let_go.wait(WITHIN))] * 50
    with Receiver(*slow) as hung, Receiver() as receiver, delivering(services):
        for _ in range(MOST_OF_A_KEY // MOST_OF_A_LANE + 1):
            crowd = register(services, caller, hung.url)
            for _ in range(MOST_OF_A_LANE):
                ping(services, crowd)
        until(lambda: len(hung.got) == MOST_OF_A_KEY, "all places of the key are taken", within=WITHIN)

        other = builders.make_caller(services)[1]
        ping(services, register(services, other, receiver.url))
        until(lambda: receiver.got, "another key is told", within=5)

        assert len(hung.got) == MOST_OF_A_KEY
        let_go.set()


def test_keys_whose_receivers_hang_leave_places_to_the_others(services: Services) -> None:
    let_go = Event()
    slow = [Answer(first=lambda: let_go.wait(WITHIN))] * 200
    with Receiver(*slow) as hung, Receiver() as receiver, delivering(services):
        for _ in range(6):
            caller = builders.make_caller(services)[1]
            for _ in range(MOST_OF_A_KEY // MOST_OF_A_LANE):
                crowd = register(services, caller, hung.url)
                for _ in range(MOST_OF_A_LANE):
                    ping(services, crowd)
        until(lambda: len(hung.got) > MOST_AT_ONCE * 2 // 3, "they have most places", within=WITHIN)

        other = builders.make_caller(services)[1]
        ping(services, register(services, other, receiver.url))
        until(lambda: receiver.got, "another key is told", within=5)

        assert len(hung.got) < MOST_AT_ONCE
        let_go.set()


def broken(host: str, port: int) -> Sequence[str]:
    raise RuntimeError(host, port)


def test_a_try_that_meets_a_bug_has_an_end_like_any_other(services: Services, caller: Caller) -> None:
    with capture_logs(), delivering(services, resolve=broken):
        ping(services, register(services, caller, "https://hooks.example/"))
        [given_up] = until_ended(services, caller)

    assert given_up.delivery.state is DeliveryState.FAILED
    assert [tried.fault for tried in given_up.tries] == [CRASHED] * (len(SOON) + 1)


def test_an_answer_that_cannot_be_put_down_is_a_bug_like_any_other(services: Services, caller: Caller) -> None:
    with services.database.transaction() as session:
        session.execute(text("ALTER TABLE delivery_tries ADD CHECK (status <> 299)"))
    with Receiver(299) as receiver, capture_logs() as logged, delivering(services):
        ping(services, register(services, caller, receiver.url))
        [told] = until_ended(services, caller)

    assert "delivery.crashed" in [each["event"] for each in logged]
    assert [(tried.status, tried.fault) for tried in told.tries] == [(None, CRASHED), (204, None)]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_deliverer_that_can_start_no_try_ends_and_shows_it(services: Services, caller: Caller) -> None:
    with delivering(services) as deliverer:
        usual = stack_size(2**46)  # more than there is
        try:
            ping(services, register(services, caller, "http://127.0.0.1:1/"))
            until(lambda: not deliverer.is_at_work, "it ends", within=WITHIN)
        finally:
            stack_size(usual)


def test_what_a_killed_deliverer_was_at_is_taken_on(services: Services, caller: Caller) -> None:
    with Receiver() as receiver:
        register(services, caller, receiver.url)
        end_a_job(services, caller)
        with services.database.transaction() as session:
            [lost] = deliveries.claim(session, most=10)
            assert deliveries.claim(session, most=10) == []
            session.execute(update(Delivery).values(due_at=Delivery.due_at - deliveries.LEASE))
        with delivering(services):
            [told] = until_ended(services, caller)

    assert (lost.tries, told.delivery.tries, len(receiver.got)) == (1, 2, 1)


def test_a_late_deliverer_changes_nothing(services: Services, caller: Caller) -> None:
    webhook = register(services, caller, "http://127.0.0.1:1/")
    delivery_id = ping(services, webhook)
    with services.database.transaction() as session:
        [late] = deliveries.claim(session, most=1)
        deliveries.redeliver(session, delivery_id)
    with services.database.transaction() as session:
        [newer] = deliveries.claim(session, most=1)
        deliveries.give_up(session, late, deliveries.Outcome(1.0, 500, "not taken"), gone=False)

    [told] = history(services, caller)
    assert (newer.tries, told.delivery.state, len(told.tries)) == (2, DeliveryState.PENDING, 1)


def test_deliverers_share_the_work(services: Services, caller: Caller) -> None:
    with Receiver() as receiver, delivering(services), delivering(services):
        webhook = register(services, caller, receiver.url)
        for _ in range(20):
            ping(services, webhook)
        told = until_ended(services, caller)

    assert [each.delivery.tries for each in told] == [1] * 20
    assert len({got.name for got in receiver.got}) == len(receiver.got) == 20
