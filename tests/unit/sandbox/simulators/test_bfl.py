from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from flask.testing import FlaskClient
from PIL import Image
from werkzeug.test import TestResponse

from sandbox.simulators.bfl import create_app

KEY = {"x-key": "a-key"}
Submit = Callable[..., TestResponse]


@pytest.fixture
def caller() -> FlaskClient:
    return create_app("a-key").test_client()


@pytest.fixture
def submit(caller: FlaskClient) -> Submit:
    def send(model: str = "flux-pro-1.1", **fields: Any) -> TestResponse:
        return caller.post(f"/v1/{model}", json={"prompt": "a fox", **fields}, headers=KEY)

    return send


def script(caller: FlaskClient, *outcomes: str) -> None:
    assert caller.post("/control/outcomes", json={"outcomes": list(outcomes)}).status_code == 200


def advance(caller: FlaskClient, seconds: float) -> None:
    caller.put("/control/clock", json={"advance_seconds": seconds})


def poll(caller: FlaskClient, submitted: TestResponse) -> TestResponse:
    return caller.get(submitted.get_json()["polling_url"], headers=KEY)


def sample(polled: TestResponse) -> str:
    assert polled.get_json()["status"] == "Ready"
    return str(polled.get_json()["result"]["sample"])


def test_a_key_is_asked_for_before_the_body_but_not_before_the_address(caller: FlaskClient) -> None:
    missing = caller.post("/v1/flux-dev", data="{")
    wrong = caller.post("/v1/flux-dev", data="{", headers={"x-key": "another"})
    unknown = caller.post("/v1/flux-pro", json={})

    assert (missing.status_code, missing.get_json()) == (403, {"detail": "Not authenticated"})
    assert wrong.get_json() == {"detail": "Not authenticated - Invalid Authentication"}
    assert (unknown.status_code, unknown.get_json()) == (404, {"detail": "Not Found"})


def test_a_task_of_the_elder_models_tells_its_price_when_it_is_ready(caller: FlaskClient, submit: Submit) -> None:
    submitted = submit(seed=7, output_format="png", width=256, height=288)
    ready = poll(caller, submitted)

    task = submitted.get_json()
    assert task.keys() == {"id", "polling_url", "cost", "input_mp", "output_mp"}
    assert task["polling_url"] == f"http://localhost/v1/get_result?id={task['id']}"
    assert (task["cost"], ready.get_json()["cost"]) == (None, 4)
    assert ready.get_json()["result"].keys() == {"sample", "prompt", "seed", "start_time", "end_time", "duration"}


def test_a_task_of_flux_2_tells_its_price_at_once(caller: FlaskClient, submit: Submit) -> None:
    submitted = submit("flux-2-pro", width=1536, height=1024)
    ready = poll(caller, submitted)

    assert (submitted.get_json()["cost"], submitted.get_json()["output_mp"]) == (4.5, 1.5)
    assert ready.get_json()["result"].keys() == {"sample", "prompt", "seed", "start_time"}


def test_a_task_is_pending_until_its_time_is_over(caller: FlaskClient, submit: Submit) -> None:
    caller.put("/control/latency", json={"seconds": 1000})
    submitted = submit()

    advance(caller, 500)
    halfway = poll(caller, submitted).get_json()
    advance(caller, 500)

    assert (halfway["status"], halfway["result"]) == ("Pending", None)
    assert halfway["progress"] == pytest.approx(0.5, abs=0.01)
    assert poll(caller, submitted).get_json()["status"] == "Ready"


def test_flux_2_tells_no_progress(caller: FlaskClient, submit: Submit) -> None:
    caller.put("/control/latency", json={"seconds": 1000})

    assert poll(caller, submit("flux-2-pro")).get_json()["progress"] is None


def test_polls_are_limited_by_their_headers(caller: FlaskClient, submit: Submit) -> None:
    headers = poll(caller, submit()).headers

    assert (headers["Retry-After"], headers["X-Ratelimit-Limit"]) == ("1", "1200")
    assert int(headers["X-Ratelimit-Remaining"]) < 1200
    assert float(headers["X-Ratelimit-Reset"]) > 0


@pytest.mark.parametrize(("fields", "form"), [({}, "JPEG"), ({"output_format": "png"}, "PNG")])
def test_the_picture_has_the_size_and_format_asked_for_and_needs_no_key(
    caller: FlaskClient, submit: Submit, fields: dict[str, Any], form: str
) -> None:
    url = sample(poll(caller, submit(width=320, height=256, **fields)))

    image = Image.open(BytesIO(caller.get(url).data))
    assert (image.format, image.size) == (form, (320, 256))


def test_a_picture_is_gone_ten_minutes_after_it_was_ready_until_it_is_polled_again(
    caller: FlaskClient, submit: Submit
) -> None:
    submitted = submit()
    url = sample(poll(caller, submitted))
    advance(caller, 601)

    assert caller.get(url).status_code == 403
    assert caller.get(sample(poll(caller, submitted))).status_code == 200


def test_a_late_poll_does_not_prolong_the_ten_minutes(caller: FlaskClient, submit: Submit) -> None:
    submitted = submit()
    advance(caller, 590)
    url = sample(poll(caller, submitted))

    assert caller.get(url).status_code == 200
    advance(caller, 20)
    assert caller.get(url).status_code == 403


def test_a_picture_cannot_be_had_by_a_forged_signature(caller: FlaskClient, submit: Submit) -> None:
    url = sample(poll(caller, submit()))

    assert caller.get(url[:-1]).status_code == 403
    assert caller.get(url.replace("se=20", "se=30")).status_code == 403


@pytest.mark.parametrize(
    ("outcome", "status"),
    [("request_moderated", "Request Moderated"), ("content_moderated", "Content Moderated")],
)
def test_what_is_moderated_says_why_and_is_not_billed(
    caller: FlaskClient, submit: Submit, outcome: str, status: str
) -> None:
    before = caller.get("/v1/credits", headers=KEY).get_json()
    script(caller, outcome)

    polled = poll(caller, submit())

    assert (polled.status_code, polled.get_json()["status"]) == (200, status)
    assert polled.get_json()["details"]["Moderation Reasons"]
    assert caller.get("/v1/credits", headers=KEY).get_json() == before
    assert caller.get("/control/charges").get_json() == []


@pytest.mark.parametrize(("outcome", "code"), [("error", 200), ("error_422", 422), ("error_503", 503)])
def test_a_failed_task_has_a_status_body_under_any_code(
    caller: FlaskClient, submit: Submit, outcome: str, code: int
) -> None:
    script(caller, outcome)

    polled = poll(caller, submit())

    assert polled.status_code == code
    assert polled.get_json()["status"] == "Error"
    assert polled.get_json()["details"] == {"error": "Task failed"}


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        ("pending", [(200, "Pending")] * 2),
        ("interim", [(200, "Reasoning"), (200, "Generating")]),
        ("not_found_at_first", [(404, "Task not found")] * 3),
        ("poll_forbidden", [(403, None)] * 2),
        ("poll_unavailable", [(503, None)] * 2),
        ("poll_throttled", [(429, None)]),
    ],
)
def test_the_first_polls_can_be_told_something_else(
    caller: FlaskClient, submit: Submit, outcome: str, told: list[tuple[int, str | None]]
) -> None:
    script(caller, outcome)
    submitted = submit()

    answers = [poll(caller, submitted) for _ in told]

    assert [(answer.status_code, answer.get_json().get("status")) for answer in answers] == told
    assert poll(caller, submitted).get_json()["status"] == "Ready"


def test_an_unknown_task_is_not_found(caller: FlaskClient) -> None:
    polled = caller.get("/v1/get_result?id=7", headers=KEY)

    assert polled.status_code == 404
    assert (polled.get_json()["id"], polled.get_json()["status"]) == ("7", "Task not found")


def test_the_twenty_fifth_active_task_is_refused_until_another_ends(caller: FlaskClient, submit: Submit) -> None:
    caller.put("/control/latency", json={"seconds": 1000})

    answers = [submit().status_code for _ in range(25)]
    advance(caller, 1000)

    assert answers == [200] * 24 + [429]
    assert submit().status_code == 200


def test_equal_requests_are_all_charged_and_their_polls_counted(caller: FlaskClient, submit: Submit) -> None:
    first, _ = submit(seed=7), submit(seed=7)
    for _ in range(3):
        poll(caller, first)

    assert [task["polls"] for task in caller.get("/control/tasks").get_json()] == [3, 0]
    assert len(caller.get("/control/charges").get_json()) == 2


def test_every_task_costs_credits_until_there_are_none(caller: FlaskClient, submit: Submit) -> None:
    caller.put("/control/credits", json={"credits": 9})

    answers = [submit().status_code for _ in range(3)]

    assert answers == [200, 200, 402]
    assert caller.get("/v1/credits", headers=KEY).get_json() == {"credits": 1}


@pytest.mark.parametrize("body", [{}, {"credits": "many"}, []])
def test_credits_that_make_no_sense_are_refused(caller: FlaskClient, body: Any) -> None:
    assert caller.put("/control/credits", json=body).status_code == 400


def test_a_regional_task_is_known_to_its_regions_host_alone(caller: FlaskClient, submit: Submit) -> None:
    script(caller, "regional")
    task = submit().get_json()

    at_its_own = caller.get(task["polling_url"], headers=KEY)
    elsewhere = caller.get(f"/v1/get_result?id={task['id']}", headers=KEY)

    assert task["polling_url"].startswith("http://eu4.localhost/v1/get_result?id=")
    assert at_its_own.get_json()["status"] == "Ready"
    assert (elsewhere.status_code, elsewhere.get_json()["status"]) == (404, "Task not found")


def test_who_wants_to_be_called_back_is_not_told_where_to_poll(submit: Submit) -> None:
    task = submit(webhook_url="https://hooks.example/bfl").get_json()

    assert task.keys() == {"id", "status", "webhook_url", "cost", "input_mp", "output_mp"}
    assert task["webhook_url"] == "https://hooks.example/bfl"


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        ("insufficient_credits", 402),
        ("invalid_api_key", 403),
        ("malformed_api_key", 422),
        ("model_gone", 404),
        ("bad_request", 400),
        ("too_many_tasks", 429),
        ("server_error", 500),
        ("service_unavailable", 503),
    ],
)
def test_a_scripted_refusal_charges_nothing(
    caller: FlaskClient, submit: Submit, outcome: str, status: int
) -> None:
    script(caller, outcome)

    answer = submit()

    assert answer.status_code == status
    assert isinstance(answer.get_json()["detail"], str)
    assert caller.get("/control/charges").get_json() == []


def test_there_is_no_way_to_cancel(caller: FlaskClient, submit: Submit) -> None:
    url = submit().get_json()["polling_url"]

    assert caller.delete(url, headers=KEY).status_code == 405


def test_a_reset_forgets_tasks_and_restores_credits(caller: FlaskClient, submit: Submit) -> None:
    before = caller.get("/v1/credits", headers=KEY).get_json()
    submitted = submit()
    caller.delete("/control")

    assert poll(caller, submitted).status_code == 404
    assert caller.get("/v1/credits", headers=KEY).get_json() == before


def test_a_task_is_forgotten_after_a_day(caller: FlaskClient, submit: Submit) -> None:
    submitted = submit()
    advance(caller, 24 * 3600 + 1)
    submit()

    assert poll(caller, submitted).status_code == 404
