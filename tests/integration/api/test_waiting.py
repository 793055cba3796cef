"""Calls that wait: whoever hangs up is noticed, and whoever is sent away can come back."""

import socket
import struct
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from uuid import UUID

import pytest
from werkzeug.test import TestResponse

from api.waiting import WaitingRoom
from core.database import Database
from core.notifier import Notifier
from core.orm import WaitingCall
from core.settings import Settings
from tests import builders
from tests.integration.api import lives
from tests.integration.api.envelope import error_of
from tests.integration.api.house import BODY, GENERATIONS, House
from tests.stack import until

FIRST, RETRY = ({"x-stainless-retry-count": str(count)} for count in range(2))


@dataclass(frozen=True)
class Line:
    """A connection, as its two ends have it."""

    caller: socket.socket
    server: socket.socket


@pytest.fixture
def line() -> Iterator[Line]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        caller = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    with closing(caller), closing(server):
        yield Line(caller, server)


@pytest.fixture
def callers() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as callers:
        yield callers


def call(house: House, callers: ThreadPoolExecutor, line: Line | None = None) -> "Future[TestResponse]":
    """A first call, in the background; once a worker may take its job up."""
    known = len(house.admitted())
    answer = callers.submit(
        house.app.test_client().post,
        GENERATIONS,
        json=BODY,
        headers={**house.owner.headers, **FIRST},
        environ_overrides={"gunicorn.socket": line.server} if line else {},
    )
    until(lambda: len(house.admitted()) > known, "a job", within=20)
    return answer


def finish(house: House, job_id: UUID) -> None:
    claim = builders.claim(house.services, job_id)
    lives.land(house.services, claim, 0)
    lives.complete(house.services, claim)
    house.services.notifier.announce(job_id)


def has_left(house: House, job_id: UUID) -> bool:
    with house.services.database.transaction() as session:
        return session.get_one(WaitingCall, job_id).left_at is not None


@pytest.mark.parametrize("goodbye", ["close", "reset", "half"])
def test_a_caller_that_hangs_up_is_on_record_at_once(
    house: House, callers: ThreadPoolExecutor, line: Line, goodbye: str
) -> None:
    answer = call(house, callers, line)
    if goodbye == "reset":
        line.caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if goodbye == "half":
        line.caller.shutdown(socket.SHUT_WR)
    else:
        line.caller.close()

    answer.result(timeout=10)

    [job_id] = house.job_ids()
    assert has_left(house, job_id)
    finish(house, job_id)
    assert house.ask(headers=RETRY).headers["darkroom-job"] == str(job_id)


def test_the_bytes_of_a_next_request_are_no_goodbye(house: House, callers: ThreadPoolExecutor, line: Line) -> None:
    answer = call(house, callers, line)
    line.caller.sendall(b"GET /v1/models HTTP/1.1\r\n")
    [job_id] = house.job_ids()

    finish(house, job_id)

    assert answer.result(timeout=10).status_code == 200
    assert not has_left(house, job_id)


def test_an_answer_that_could_not_be_written_can_be_had_again(house: House) -> None:
    house.ask(headers={**FIRST, "x-stainless-read-timeout": "0.05"})
    [job_id] = house.job_ids()
    finish(house, job_id)
    client = house.app.test_client()
    written = client.post(GENERATIONS, json=BODY, headers={**house.owner.headers, **RETRY}, buffered=False)
    assert not has_left(house, job_id)

    next(iter(written.response))
    written.close()

    assert has_left(house, job_id)


def test_all_calls_that_wait_for_a_job_are_answered(house: House, callers: ThreadPoolExecutor) -> None:
    first = call(house, callers)
    [job_id] = house.job_ids()
    second = callers.submit(house.ask, headers=RETRY)

    finish(house, job_id)

    bodies = {answer.result(timeout=15).data for answer in (first, second)}
    assert len(bodies) == 1
    assert house.job_ids() == [job_id]


@pytest.fixture
def closing_house(settings: Settings) -> Iterator[House]:
    """One whose room may be closed: others share theirs."""
    with ExitStack() as opened, closing(Database(settings.database_url)) as database:
        room = WaitingRoom(database, Notifier(settings.redis_url))
        yield House.open(replace(settings, wait_seconds=20.0), room, opened)


def test_a_process_that_ends_sends_its_callers_to_the_next(
    closing_house: House, callers: ThreadPoolExecutor
) -> None:
    house = closing_house
    answers = [call(house, callers) for _ in range(8)]

    house.room.close()

    for answer in (each.result(timeout=10) for each in answers):
        assert (answer.status_code, error_of(answer)["code"]) == (503, "restarting")
        assert (answer.headers["x-should-retry"], answer.headers["Retry-After"]) == ("true", "5")
    assert all(has_left(house, job_id) for job_id in house.job_ids())


def test_a_process_that_ends_makes_nobody_wait(closing_house: House) -> None:
    house = closing_house
    house.room.close()

    response = house.ask(headers=FIRST)

    [job_id] = house.job_ids()
    assert (response.status_code, response.headers["darkroom-job"]) == (503, str(job_id))
    assert has_left(house, job_id)
