import pytest
from flask import Flask

from api.errors import CANCELLED, FAILURES, STILL_RUNNING, Answer, envelope
from core.errors import FailureKind


@pytest.fixture
def app() -> Flask:
    return Flask("test")


def test_every_kind_of_failure_has_its_answer() -> None:
    assert set(FAILURES) == set(FailureKind)


@pytest.mark.parametrize("answer", [*FAILURES.values(), CANCELLED, STILL_RUNNING], ids=lambda answer: answer.code)
def test_no_end_of_a_job_lets_a_client_buy_a_second_picture(answer: Answer, app: Flask) -> None:
    with app.test_request_context():
        response = envelope(answer, "It did not work.")

    assert 400 <= response.status_code < 600
    assert response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Answer(503, "server_error"), "false"),
        (Answer(503, "server_error", retry=True), "true"),
        (Answer(503, "server_error", retry=None), None),
    ],
)
def test_a_client_decides_for_itself_only_where_it_is_left_to_it(
    answer: Answer, told: str | None, app: Flask
) -> None:
    with app.test_request_context():
        response = envelope(answer, "It did not work.")

    assert response.headers.get("x-should-retry") == told


def test_an_envelope_has_all_four_keys_even_when_they_say_nothing(app: Flask) -> None:
    with app.test_request_context():
        response = envelope(Answer(404, "invalid_request_error"), "It did not work.")

    error = {"message": "It did not work.", "type": "invalid_request_error", "param": None, "code": None}
    assert response.get_json() == {"error": error}


def test_a_fault_that_knows_its_code_better_than_its_answer_gives_it(app: Flask) -> None:
    with app.test_request_context():
        response = envelope(Answer(400, "invalid_request_error", "vague"), "No.", param="n", code="invalid_type")

    assert response.get_json()["error"]["code"] == "invalid_type"
    assert response.get_json()["error"]["param"] == "n"
