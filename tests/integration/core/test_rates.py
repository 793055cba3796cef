"""A key's requests and pictures a minute, counted in a real Redis."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest
from redis import Redis
from structlog.testing import capture_logs

from core.rates import REST_SECONDS, Limit, Rates
from tests.stack import until
from tests.tcp_proxy import TcpProxy

KEY = UUID(int=7)


@pytest.fixture
def rates(environment: dict[str, str]) -> Iterator[Rates]:
    with closing(Rates(environment["REDIS_URL"])) as rates:
        yield rates


def let_pass(environment: dict[str, str], seconds: float) -> None:
    """As if so much time had gone by since everything that was taken so far."""
    with Redis.from_url(environment["REDIS_URL"], decode_responses=True) as redis:
        for name in redis.scan_iter("darkroom:rate:*"):
            taken = [float(moment) - seconds for moment in redis.lrange(name, 0, -1)]
            redis.delete(name)
            redis.rpush(name, *taken)


def test_what_is_taken_is_told_and_what_is_left(rates: Rates) -> None:
    first = rates.take(KEY, {"requests": Limit(3, 1), "pictures": Limit(20, 4)})

    assert {what: (standing.most, standing.left) for what, standing in first.items()} == {
        "requests": (3, 2),
        "pictures": (20, 16),
    }
    assert all(standing.had_room and 59 < standing.reset_seconds <= 60 for standing in first.values())


def test_a_limit_holds_for_any_minute(rates: Rates, environment: dict[str, str]) -> None:
    limits = {"requests": Limit(2, 1)}
    assert rates.take(KEY, limits)["requests"].left == 1
    let_pass(environment, 40)
    assert rates.take(KEY, limits)["requests"].left == 0

    refused = rates.take(KEY, limits)["requests"]

    assert (refused.had_room, refused.left) == (False, 0)
    assert 19 < refused.reset_seconds <= 20
    let_pass(environment, 21)
    assert rates.take(KEY, limits)["requests"].had_room


def test_more_room_comes_when_the_oldest_is_a_minute_ago(rates: Rates, environment: dict[str, str]) -> None:
    limits = {"pictures": Limit(6, 2)}
    for _ in range(3):
        let_pass(environment, 10)
        rates.take(KEY, limits)

    assert 39 < rates.take(KEY, limits)["pictures"].reset_seconds <= 40


def test_a_request_refused_for_its_pictures_takes_no_request(rates: Rates) -> None:
    rates.take(KEY, {"requests": Limit(5, 1), "pictures": Limit(4, 3)})

    refused = rates.take(KEY, {"requests": Limit(5, 1), "pictures": Limit(4, 2)})

    assert not refused["pictures"].had_room
    assert (refused["requests"].left, refused["requests"].had_room) == (4, True)
    assert rates.take(KEY, {"requests": Limit(5, 1), "pictures": Limit(4, 1)})["requests"].left == 3


def test_keys_do_not_share_their_rates(rates: Rates) -> None:
    limits = {"requests": Limit(1, 1)}
    assert rates.take(KEY, limits)["requests"].had_room

    assert rates.take(uuid4(), limits)["requests"].had_room
    assert not rates.take(KEY, limits)["requests"].had_room


def test_a_changed_limit_counts_from_then_on(rates: Rates) -> None:
    for _ in range(4):
        rates.take(KEY, {"requests": Limit(9, 1)})

    lowered = [rates.take(KEY, {"requests": Limit(2, 1)})["requests"] for _ in range(3)]

    assert [(standing.most, standing.left) for standing in lowered] == [(2, 1), (2, 0), (2, 0)]
    assert [standing.had_room for standing in lowered] == [True, True, False]


def test_all_processes_together_keep_to_a_limit(environment: dict[str, str]) -> None:
    limits = {"pictures": Limit(30, 2)}
    processes = [Rates(environment["REDIS_URL"]) for _ in range(4)]

    with ThreadPoolExecutor(16) as callers:
        stood = list(callers.map(lambda number: processes[number % 4].take(KEY, limits), range(64)))

    assert sum(standing["pictures"].had_room for standing in stood) == 15
    for process in processes:
        process.close()


def test_what_was_taken_is_forgotten_after_a_minute(rates: Rates, environment: dict[str, str]) -> None:
    rates.take(KEY, {"requests": Limit(3, 1)})

    with Redis.from_url(environment["REDIS_URL"]) as redis:
        (name,) = redis.scan_iter("darkroom:rate:*")
        assert 59_000 < redis.pttl(name) <= 60_000


def test_a_flushed_redis_costs_exactness_alone(rates: Rates, environment: dict[str, str]) -> None:
    limits = {"requests": Limit(1, 1)}
    rates.take(KEY, limits)

    with Redis.from_url(environment["REDIS_URL"]) as redis:
        redis.flushall()
        redis.script_flush()

    assert rates.take(KEY, limits)["requests"].had_room
    assert not rates.take(KEY, limits)["requests"].had_room


@pytest.mark.parametrize("trouble", [TcpProxy.cut, TcpProxy.silence])
def test_a_redis_that_is_away_is_told_once_and_limits_nobody(
    environment: dict[str, str], trouble: Callable[[TcpProxy], None]
) -> None:
    address = urlsplit(environment["REDIS_URL"]).netloc.rpartition("@")[2]
    limits = {"requests": Limit(1, 1)}
    with (
        closing(TcpProxy(address)) as line,
        closing(Rates(environment["REDIS_URL"].replace(address, line.address))) as rates,
    ):
        assert rates.take(KEY, limits)
        trouble(line)
        with capture_logs() as logs:
            assert [rates.take(KEY, limits) for _ in range(50)] == [{}] * 50
        assert [entry["event"] for entry in logs] == ["rates.unavailable"]

        line.cut()
        line.restore()
        until(lambda: rates.take(KEY, limits), "the limit holds again", within=REST_SECONDS + 5)
