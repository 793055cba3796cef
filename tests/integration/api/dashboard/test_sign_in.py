"""How guessing is slowed down and put on record, whoever stands between."""

from collections.abc import Callable
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from api.dashboard.tries import AS_USER, FROM_ADDRESS, Tries
from core import users
from core.bootstrap import Services
from core.rates import Rates
from core.states import Role
from tests.integration.api.dashboard.conftest import PASSWORD, Visitor
from tests.integration.api.test_app import DEAD_REDIS
from tests.tcp_proxy import TcpProxy

ClientWith = Callable[..., FlaskClient]
NEAR, FAR, FORGED, BETWEEN = "198.51.100.1", "198.51.100.2", "203.0.113.9", "10.0.0.1"


def make_user(services: Services, name: str) -> None:
    with services.database.transaction() as session:
        users.create(session, name, Role.VIEWER, PASSWORD)


def sign_in(
    client: FlaskClient, name: str, password: str = PASSWORD, *, headers: dict[str, str] | None = None
) -> TestResponse:
    return client.post("/ops/sign-in", data={"name": name, "password": password}, headers=headers)


def guess(client: FlaskClient, name: str, *, headers: dict[str, str] | None = None) -> int:
    return sign_in(client, name, "not hers at all", headers=headers).status_code


def use_up(services: Services, address: str) -> None:
    tries = Tries(services.rates)
    assert all(tries.take(f"{address} {number}", address) for number in range(FROM_ADDRESS))


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://localhost"}, 403),
        ({"Origin": "http://localhost"}, 303),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_nobody_is_signed_in_by_a_page_of_another_host(
    services: Services, client: FlaskClient, said: dict[str, str], status: int
) -> None:
    name = f"grace {said}"
    make_user(services, name)

    assert sign_in(client, name, headers=said).status_code == status


def test_tries_count_for_whom_trusted_proxies_tell_and_for_nobody_else(
    services: Services, client_with: ClientWith
) -> None:
    use_up(services, NEAR)

    def asked(*told: str, proxies: int) -> int:
        client = client_with(trusted_proxies=proxies)
        return guess(client, f"{proxies} {told}", headers={"X-Forwarded-For": ", ".join(told)})

    assert asked(NEAR, proxies=1) == 429
    assert asked(FAR, proxies=1) == 403
    assert asked(FORGED, NEAR, proxies=1) == 429
    assert asked(NEAR, BETWEEN, proxies=2) == 429
    assert asked(NEAR, proxies=0) == 403


def test_tries_hold_for_all_addresses_of_a_network_of_ipv6(services: Services) -> None:
    use_up(services, "2001:db8:7::1")
    tries = Tries(services.rates)

    assert not tries.take("ada", "2001:db8:7::ffff:1")
    assert tries.take("bob", "2001:db8:8::1")
    assert tries.take("eve", "not known")


def test_guessing_is_slowed_down_also_while_redis_is_away(services: Services, client_with: ClientWith) -> None:
    make_user(services, "grace-alone")
    client = client_with(redis_url=DEAD_REDIS)

    assert [guess(client, "grace-alone") for _ in range(AS_USER + 1)] == [403] * AS_USER + [429]
    assert sign_in(client, "grace-alone").status_code == 429


def test_what_was_tried_before_redis_went_away_counts(environment: dict[str, str]) -> None:
    redis = urlsplit(environment["REDIS_URL"]).netloc.rpartition("@")[2]
    with (
        closing(TcpProxy(redis)) as line,
        closing(Rates(environment["REDIS_URL"].replace(redis, line.address))) as rates,
    ):
        tries = Tries(rates)
        assert all(tries.take("ida", FAR) for _ in range(AS_USER))
        line.cut()

        assert not tries.take("ida", FAR)


def test_who_is_refused_is_logged_by_names_of_users_alone(services: Services, client: FlaskClient) -> None:
    make_user(services, "grace-logged")

    with capture_logs() as logs:
        for name in ("grace-logged", "my secret password"):
            guess(client, name)

    told = [(entry["why"], entry["user"], entry["address"]) for entry in logs if entry["event"] == "user.refused"]
    assert told == [("password", "grace-logged", "127.0.0.1"), ("password", None, "127.0.0.1")]
    assert "secret" not in str(logs)


def test_a_user_who_somebody_tried_to_be_is_on_the_audit_once(
    services: Services, client_with: ClientWith, viewer: Visitor
) -> None:
    make_user(services, "grace-wanted")
    client = client_with(trusted_proxies=1)

    for _ in range(2):
        assert guess(client, "grace-wanted", headers={"X-Forwarded-For": FAR}) == 403

    page = viewer.get("/ops/audit?subject=user+grace-wanted")
    assert page.count("user.refused user grace-wanted") == 1
    assert f"stranger user.refused user grace-wanted \N{EN DASH} address {FAR}" in page


def test_the_cookie_is_for_https_alone_where_that_is_how_one_comes_in(
    services: Services, client_with: ClientWith
) -> None:
    make_user(services, "grace-secure")
    by_tls = {"X-Forwarded-Proto": "https"}

    def is_secure(headers: dict[str, str], **changes: Any) -> bool:
        response = sign_in(client_with(**changes), "grace-secure", headers=headers)
        return "Secure" in response.headers["Set-Cookie"]

    assert is_secure(by_tls, trusted_proxies=1)
    assert is_secure({}, public_url="https://pictures.example")
    assert not is_secure({}, trusted_proxies=1)
    assert not is_secure(by_tls, trusted_proxies=0)


def test_who_comes_in_by_a_trusted_proxy_stays_at_its_address(client_with: ClientWith) -> None:
    told = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "pictures.example"}

    def led_to(proxies: int) -> str:
        return client_with(trusted_proxies=proxies).get("/ops", headers=told).headers["Location"]

    assert led_to(1) == "https://pictures.example/ops/"
    assert led_to(0) == "http://localhost/ops/"
