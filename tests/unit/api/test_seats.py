"""Who waits for what, and in which order they sit down."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest

from api.calls import Call
from api.seats import Parting, Seat, Seats
from tests.stack import until

KEY, BODY = UUID(int=1), UUID(int=2)


def make_call(*, count: int | None = None, key: UUID = KEY, body: UUID = BODY) -> Call:
    return Call(key_id=key, fingerprint=body, name=None, retry_count=count, patience=None, reattaches=True)


def take(seats: Seats, call: Call, job_id: UUID | None = None) -> Seat:
    seat = Seat(job_id or uuid4(), call)
    seats.take(seat)
    return seat


@pytest.fixture
def retry() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as retry:
        yield retry


def test_a_retry_that_overtakes_its_call_lets_it_sit_down_first(retry: ThreadPoolExecutor) -> None:
    seats = Seats()
    overtaken = take(seats, make_call(count=0))

    let_in = retry.submit(seats.let_earlier_sit_down, make_call(count=1))
    until(let_in.running, "the retry is there")
    assert not let_in.done()
    seats.sit_down(overtaken)

    let_in.result(timeout=2)


@pytest.mark.parametrize(
    "call", [make_call(), make_call(count=0), make_call(count=1, key=uuid4()), make_call(count=1, body=uuid4())]
)
def test_nobody_else_waits_for_others_to_sit_down(call: Call) -> None:
    seats = Seats()
    take(seats, make_call(count=0))

    seats.let_earlier_sit_down(call)


def test_several_calls_have_seats_at_one_job() -> None:
    seats, job_id = Seats(), uuid4()
    first, second = take(seats, make_call(), job_id), take(seats, make_call(count=1), job_id)
    assert set(seats.of(job_id)) == {first, second}

    seats.give_up(first)

    assert seats.of(job_id) == [second]
    seats.give_up(second)
    assert seats.jobs() == []


def test_what_comes_first_ends_a_wait() -> None:
    seat = Seat(uuid4(), make_call())

    seat.end(Parting.HUNG_UP)
    seat.end(Parting.CLOSING)

    assert seat.wait(1) is Parting.HUNG_UP
