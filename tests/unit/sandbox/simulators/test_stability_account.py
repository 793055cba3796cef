import pytest
from flask.testing import FlaskClient

from sandbox.simulators.stability import create_app
from sandbox.simulators.stability_account import PLENTY, RateLimit

NOW = 1_700_000_000.0


def exhausted() -> RateLimit:
    limit = RateLimit()
    assert all(limit.allows(NOW + second / 15) for second in range(150))
    return limit


def test_the_request_after_150_in_ten_seconds_is_refused() -> None:
    limit = exhausted()

    assert not limit.allows(NOW + 9.99)


def test_the_oldest_request_counts_for_ten_seconds() -> None:
    limit = exhausted()

    assert limit.allows(NOW + 10)
    assert not limit.allows(NOW + 10)


def test_whoever_is_locked_out_stays_so_for_60_seconds_however_often_they_ask() -> None:
    limit = exhausted()
    limit.allows(NOW + 9.95)

    asked = [limit.allows(NOW + 9.95 + second) for second in (20, 40, 59.9, 60)]

    assert asked == [False, False, False, True]


@pytest.fixture
def client() -> FlaskClient:
    return create_app(None).test_client()


def balance(client: FlaskClient) -> float:
    answer = client.get("/v1/user/balance", headers={"Authorization": "Bearer any"})
    return float(answer.get_json()["credits"])


def test_the_credits_can_be_set_and_come_back_with_a_reset(client: FlaskClient) -> None:
    state = client.put("/control/credits", json={"credits": 12.5}).get_json()
    left = balance(client)
    client.post("/control/reset")

    assert (state["credits"], left, balance(client)) == (12.5, 12.5, PLENTY)


@pytest.mark.parametrize("body", [{"credits": -1}, {"credits": "many"}, {}, [1]])
def test_credits_that_make_no_sense_are_refused(client: FlaskClient, body: object) -> None:
    answer = client.put("/control/credits", json=body)

    assert answer.status_code == 400
    assert balance(client) == PLENTY
