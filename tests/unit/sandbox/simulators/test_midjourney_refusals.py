from typing import Any

import pytest
from flask.testing import FlaskClient

from sandbox.simulators.midjourney import create_app
from sandbox.simulators.midjourney_prompts import read
from sandbox.simulators.midjourney_tasks import Dialect

SECRET = "hush"


@pytest.fixture(params=list(Dialect))
def proxy(request: pytest.FixtureRequest) -> FlaskClient:
    return create_app(None, request.param).test_client()


def imagine(proxy: FlaskClient, prompt: str = "a fox", kind: str = "imagine", **body: Any) -> dict[str, Any]:
    answer: dict[str, Any] = proxy.post(f"/mj/submit/{kind}", json={"prompt": prompt, **body}).get_json()
    return answer


def task(proxy: FlaskClient, task_id: str) -> dict[str, Any]:
    told: dict[str, Any] = proxy.get(f"/mj/task/{task_id}/fetch").get_json()
    return told


def script(proxy: FlaskClient, outcome: str) -> None:
    proxy.post("/control/outcomes", json={"outcomes": [outcome]})


@pytest.mark.parametrize(
    ("dialect", "headers", "answer"),
    [
        ("novicezk", {}, (401, "")),
        ("novicezk", {"mj-api-secret": "wrong"}, (401, "")),
        ("novicezk", {"Authorization": SECRET}, (401, "")),
        ("trueai", {}, (401, "Authorization header missing.")),
        ("trueai", {"mj-api-secret": "wrong"}, (403, "")),
    ],
)
def test_a_wrong_secret_is_refused(dialect: str, headers: dict[str, str], answer: tuple[int, str]) -> None:
    proxy = create_app(SECRET, Dialect(dialect)).test_client()

    refused = proxy.get("/mj/task/1/fetch", headers=headers)

    assert (refused.status_code, refused.text) == answer


@pytest.mark.parametrize(
    ("dialect", "header"),
    [("novicezk", "mj-api-secret"), ("trueai", "mj-api-secret"), ("trueai", "Authorization")],
)
def test_the_right_secret_is_let_in(dialect: str, header: str) -> None:
    proxy = create_app(SECRET, Dialect(dialect)).test_client()

    answer = proxy.post("/mj/submit/imagine", json={"prompt": "a fox"}, headers={header: SECRET})

    assert answer.get_json()["code"] == 1


@pytest.mark.parametrize("prompt", ["", "  "])
def test_a_prompt_is_required(proxy: FlaskClient, prompt: str) -> None:
    assert (imagine(proxy, prompt)["code"], imagine(proxy, prompt)["description"]) == (4, "prompt不能为空")


def test_a_banned_word_is_named(proxy: FlaskClient) -> None:
    answer = imagine(proxy, "blood and Gore")

    assert (answer["code"], answer["result"]) == (24, None)
    assert answer["properties"] == {"promptEn": "blood and Gore", "bannedWord": "Gore"}


@pytest.mark.parametrize(
    ("outcome", "code", "words"),
    [
        ("no_account", 3, "无可用的账号实例"),
        ("quota", 4, "quota_not_enough"),
        ("failure", 9, "提交失败"),
        ("relay_limit", 30, ""),
        ("exists", 21, "任务已存在"),
    ],
)
def test_a_scripted_code_comes_with_its_words(proxy: FlaskClient, outcome: str, code: int, words: str) -> None:
    script(proxy, outcome)

    answer = imagine(proxy)

    assert answer["code"] == code
    assert words in answer["description"]


def test_tasks_above_what_the_account_does_at_once_wait_and_above_that_are_refused(proxy: FlaskClient) -> None:
    full = {"novicezk": 23, "trueai": 9}[proxy.get("/control/state").get_json()["dialect"]]
    proxy.put("/control/latency", json={"seconds": 60})
    proxy.put("/control/account", json={"core_size": 2, "queue_size": 3})

    answers = [imagine(proxy) for _ in range(6)]

    assert [answer["code"] for answer in answers] == [1, 1, 1, 22, 22, full]
    assert answers[4]["properties"]["numberOfQueues"] == 2
    assert "队列已满" in answers[5]["description"]


def test_a_waiting_task_starts_when_one_before_it_has_ended(proxy: FlaskClient) -> None:
    proxy.put("/control/latency", json={"seconds": 60})
    proxy.put("/control/account", json={"core_size": 1})
    ids = [imagine(proxy)["result"] for _ in range(2)]

    proxy.put("/control/clock", json={"advance_seconds": 61})
    states = [task(proxy, task_id)["status"] for task_id in ids]
    proxy.put("/control/clock", json={"advance_seconds": 60})

    assert states == ["SUCCESS", "NOT_START"]
    assert task(proxy, ids[1])["status"] == "SUCCESS"


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("a fox --foo", "[Invalid parameter]"),
        ("a fox --ar wide", "[Invalid parameter]"),
        ("a fox [[banned_prompt]]", "[Banned prompt detected]"),
        ("a fox [[timeout]]", "任务超时"),
        ("a fox [[image_denied]]", "Image denied"),
    ],
)
def test_a_failure_is_told_by_the_task(proxy: FlaskClient, prompt: str, words: str) -> None:
    told = task(proxy, imagine(proxy, prompt)["result"])

    assert (told["status"], told["progress"], told["imageUrl"]) == ("FAILURE", "", None)
    assert words in told["failReason"]


def test_what_midjourney_never_drew_is_not_charged(proxy: FlaskClient) -> None:
    for outcome in ("invalid_parameter", "banned_prompt", "timeout"):
        imagine(proxy, f"a fox [[{outcome}]]")

    assert [charge["outcome"] for charge in proxy.get("/control/charges").get_json()] == ["timeout"]


def test_an_unknown_task_is_answered_with_nothing(proxy: FlaskClient) -> None:
    answer = proxy.get("/mj/task/1/fetch")

    assert (answer.status_code, answer.data) in {(200, b""), (204, b"")}


def test_a_restart_forgets_the_tasks_but_not_what_they_cost(proxy: FlaskClient) -> None:
    task_id = imagine(proxy)["result"]

    proxy.post("/control/restart")

    assert proxy.get(f"/mj/task/{task_id}/fetch").data == b""
    assert len(proxy.get("/control/charges").get_json()) == 1


def test_a_change_of_a_task_that_is_not_there_is_not_found() -> None:
    novicezk, trueai = (create_app(None, dialect).test_client() for dialect in Dialect)

    change = novicezk.post("/mj/submit/change", json={"taskId": "1", "action": "UPSCALE", "index": 1})
    action = trueai.post("/mj/submit/action", json={"taskId": "1", "customId": "MJ::JOB::upsample::1::x"})

    assert [(answer.status_code, answer.get_json()["code"]) for answer in (change, action)] == [(200, 3), (404, 3)]


@pytest.mark.parametrize("index", [0, 5, None, "1"])
def test_a_change_wants_a_picture_of_the_grid(index: object) -> None:
    novicezk = create_app(None).test_client()
    parent = imagine(novicezk)["result"]

    assert imagine(novicezk, kind="change", taskId=parent, action="UPSCALE", index=index)["code"] == 4


def test_a_single_picture_and_an_unfinished_grid_cannot_be_changed() -> None:
    novicezk = create_app(None).test_client()
    child = imagine(novicezk, kind="change", taskId=imagine(novicezk)["result"], action="UPSCALE", index=1)[
        "result"
    ]
    novicezk.put("/control/latency", json={"seconds": 60})
    parents = [child, imagine(novicezk)["result"]]

    codes = [imagine(novicezk, kind="change", taskId=each, action="UPSCALE", index=1)["code"] for each in parents]

    assert codes == [4, 4]


@pytest.mark.parametrize(
    "account", [{"dialect": "other"}, {"core_size": 0}, {"queue_size": "many"}, {"partner": 1}, {"nonsense": True}]
)
def test_an_account_that_makes_no_sense_is_refused(proxy: FlaskClient, account: dict[str, Any]) -> None:
    assert proxy.put("/control/account", json=account).status_code == 400


def test_a_reset_brings_back_the_dialect_it_was_built_with(proxy: FlaskClient) -> None:
    fresh = proxy.get("/control/state").get_json()
    imagine(proxy)
    proxy.put("/control/account", json={"dialect": "trueai", "partner": True, "core_size": 7})

    state = proxy.delete("/control").get_json()

    assert state == {**fresh, "now": state["now"]}


@pytest.mark.parametrize(
    ("prompt", "parameters"),
    [
        ("a fox", {}),
        ("a fox --v 5 --v 6", {"v": "5"}),
        ("a fox —version 6.1", {"v": "6.1"}),
        ("a fox --no dogs, cats --tile", {"no": "dogs, cats", "tile": ""}),
        ("a well-known fox --s 50", {"stylize": "50"}),
    ],
)
def test_parameters_are_read_from_the_end_of_a_prompt(prompt: str, parameters: dict[str, str]) -> None:
    understood = read(prompt)

    assert (understood.problem, understood.parameters) == (None, parameters)
    assert "fox" in understood.words


@pytest.mark.parametrize(
    "flags", ["--v 9", "--seed 4294967296", "--q 3", "--chaos 101", "--ar 1:1 and more", "--fast now", "--no"]
)
def test_a_parameter_of_a_wrong_value_is_named(flags: str) -> None:
    assert "Invalid value" in str(read(f"a fox {flags}").problem)
