from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import BadRequest
from werkzeug.test import TestResponse

from api import envelopes
from api.errors import CANCELLED, ERRORS, FAILURES, STILL_RUNNING, Answer, JobFailed, WaitTooLong
from core import errors
from core.errors import CapReached, DarkroomError, Failure, FailureKind, InvalidRequest, RateExceeded

JOB = UUID("0192f0c1-2345-7abc-8def-0123456789ab")
# Of the start of a process, and of what is worded where it is found.
ELSEWHERE = {"SettingsError", "InvalidRequest"}


@pytest.fixture
def app() -> Flask:
    app = Flask("test")
    envelopes.register(app)
    return app


def raising(app: Flask, error: Exception) -> TestResponse:
    @app.get("/it")
    def it() -> str:
        raise error

    return app.test_client().get("/it")


def test_every_kind_of_failure_has_its_answer() -> None:
    assert set(FAILURES) == set(FailureKind)


def test_every_error_of_the_domain_has_its_answer() -> None:
    domain = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, DarkroomError) and kind is not DarkroomError
    }

    without = {kind.__name__ for kind in domain if not any(base in ERRORS for base in kind.__mro__)}
    assert without == ELSEWHERE


@pytest.mark.parametrize("answer", [*FAILURES.values(), CANCELLED, STILL_RUNNING], ids=lambda answer: answer.code)
def test_no_end_of_a_job_lets_a_client_buy_a_second_picture(answer: Answer, app: Flask) -> None:
    with app.test_request_context():
        response = envelopes.envelope(answer, "It did not work.")

    assert 400 <= response.status_code < 600
    assert response.headers["x-should-retry"] == "false"
    assert "retry-after" not in response.headers


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.0, ("1", "1")),
        (0.2, ("1", "200")),
        (1.0, ("1", "1000")),
        (2.001, ("3", "2001")),
        (59.9999, ("60", "60000")),
        (3600.0, ("60", "60000")),
    ],
)
def test_a_wait_is_told_twice_and_within_what_clients_heed(
    app: Flask, seconds: float, told: tuple[str, str]
) -> None:
    response = raising(app, RateExceeded("pictures", limit=5, seconds=seconds))

    assert response.status_code == 429
    assert (response.headers["retry-after"], response.headers["retry-after-ms"]) == told
    assert response.headers["x-should-retry"] == "true"


def test_a_rate_is_told_as_openai_tells_it(app: Flask) -> None:
    error = raising(app, RateExceeded("pictures", limit=5, seconds=2.5)).get_json()["error"]

    assert (
        error["message"] == "Rate limit exceeded for pictures per minute. Limit: 5/1min. Please try again in 3s."
    )
    assert (error["type"], error["code"], error["param"]) == ("requests", "rate_limit_exceeded", None)


@pytest.mark.parametrize(
    ("cap", "told"),
    [("cap", "spend cap."), ("cap_a_day", "spend cap for the day."), ("cap_a_month", "spend cap for the month.")],
)
def test_a_cap_is_told_by_its_name(app: Flask, cap: str, told: str) -> None:
    response = raising(app, CapReached(cap))

    assert response.status_code == 403
    assert response.get_json()["error"]["message"].endswith(f"what is left of this API key's {told}")
    assert response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("retry", [True, False])
def test_a_call_that_waited_too_long_is_told_where_its_job_is(app: Flask, *, retry: bool) -> None:
    response = raising(app, WaitTooLong(JOB, retry=retry))

    assert (response.status_code, response.get_json()["error"]["code"]) == (504, "still_running")
    assert response.headers["darkroom-job"] == str(JOB)
    assert response.headers["Location"] == f"/v1/images/jobs/{JOB}"
    assert response.headers["x-should-retry"] == str(retry).lower()
    assert response.headers.get("retry-after-ms") == ("1000" if retry else None)


@pytest.mark.parametrize(
    ("failure", "status"), [(None, 409), (Failure(FailureKind.MODERATED, "Your request was rejected."), 400)]
)
def test_a_job_that_failed_is_named(app: Flask, failure: Failure | None, status: int) -> None:
    response = raising(app, JobFailed(failure, JOB))

    assert (response.status_code, response.headers["darkroom-job"]) == (status, str(JOB))
    assert "Location" not in response.headers


def test_an_envelope_has_all_four_keys_even_when_they_say_nothing(app: Flask) -> None:
    response = raising(app, InvalidRequest("It did not work."))

    error = {"message": "It did not work.", "type": "invalid_request_error", "param": None, "code": None}
    assert response.get_json() == {"error": error}


def test_braces_in_a_message_are_no_template(app: Flask) -> None:
    assert raising(app, BadRequest("{0} {x}")).get_json()["error"]["message"] == "{0} {x}"


def test_what_a_server_said_of_its_fault_is_not_told(app: Flask) -> None:
    response = raising(app, OperationalError("SELECT secret", {}, Exception("10.0.0.7 refused")))

    assert response.status_code == 503
    assert (response.headers["retry-after"], response.headers["retry-after-ms"]) == ("1", "1000")
    assert "secret" not in response.text
    assert "10.0.0.7" not in response.text
