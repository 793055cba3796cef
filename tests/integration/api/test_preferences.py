"""Callers who would rather be told of a job than wait for its pictures."""

from urllib.parse import urlsplit
from uuid import UUID

import pytest

from tests import builders
from tests.integration.api import lives
from tests.integration.api.envelope import error_of
from tests.integration.api.house import House
from tests.tcp_proxy import TcpProxy

ASYNC = {"Prefer": "respond-async"}
FIRST, RETRY = ({"x-stainless-retry-count": str(count)} for count in range(2))


def finish(house: House, job_id: UUID) -> None:
    claim = builders.claim(house.services, job_id)
    lives.land(house.services, claim, 0)
    lives.complete(house.services, claim)


def only_job(house: House) -> UUID:
    [job_id] = house.job_ids()
    return job_id


def test_who_would_rather_not_wait_is_told_of_the_job(house: House) -> None:
    response = house.ask(headers=ASYNC)

    job_id = only_job(house)
    assert (response.status_code, response.get_json()["id"]) == (202, str(job_id))
    assert response.headers["Location"] == f"/v1/images/jobs/{job_id}"
    assert response.headers["Preference-Applied"] == "respond-async"
    assert response.headers["Retry-After"] == "1"
    assert (builders.job_of(house.services, job_id).door, response.get_json()["door"]) == ("async", "async")


def test_a_202_that_was_lost_is_found_again(house: House) -> None:
    first = house.ask(headers={**ASYNC, **FIRST})
    second = house.ask(headers={**ASYNC, **RETRY})

    assert first.headers["Location"] == second.headers["Location"]
    only_job(house)


def test_who_cannot_be_told_of_a_job_is_not_told_that_there_is_none(house: House) -> None:
    url = urlsplit(house.services.settings.database_url)
    direct = f"{url.hostname}:{url.port}"
    line = TcpProxy(direct)
    doubtful = house.changed(database_url=house.services.settings.database_url.replace(direct, line.address))
    line.lose_answer_to(b"job_events.event", and_refuse=True)

    response = doubtful.ask(headers=ASYNC)
    line.close()

    assert (response.status_code, error_of(response)["code"]) == (504, "still_running")
    assert response.headers["darkroom-job"] == str(only_job(house))
    assert response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("seconds", ["0", "1"])
def test_who_would_wait_only_so_long_is_told_of_the_job_then(house: House, seconds: str) -> None:
    response = house.ask(headers={"Prefer": f"wait={seconds}"})

    assert (response.status_code, response.headers["Preference-Applied"]) == (202, f"wait={seconds}")
    assert response.headers["Location"] == f"/v1/images/jobs/{only_job(house)}"


def test_who_would_wait_long_enough_gets_the_picture(house: House) -> None:
    response = house.while_asked(lambda job_id: finish(house, job_id), headers={"Prefer": "wait=15"})

    assert (response.status_code, response.headers["Preference-Applied"]) == (200, "wait=15")


@pytest.mark.parametrize("prefer", ["wait=soon", "return=minimal", "respond-async=maybe"])
def test_nobody_is_answered_202_without_asking(house: House, prefer: str) -> None:
    response = house.changed(wait_seconds=0.05).ask(headers={"Prefer": prefer})

    assert response.status_code == 504
    assert "Preference-Applied" not in response.headers
