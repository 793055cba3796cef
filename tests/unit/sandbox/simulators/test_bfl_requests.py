from typing import Any

import pytest
from flask.testing import FlaskClient

from sandbox.simulators.bfl import create_app


@pytest.fixture
def caller() -> FlaskClient:
    return create_app(None).test_client()


def faults(caller: FlaskClient, model: str, **fields: Any) -> list[tuple[list[str], str]]:
    """Where and what, of each fault; none where the request was taken."""
    answer = caller.post(f"/v1/{model}", json=fields, headers={"x-key": "any"})
    if answer.status_code == 200:
        return []
    assert answer.status_code == 422
    assert all(fault.keys() >= {"type", "loc", "msg", "input"} for fault in answer.get_json()["detail"])
    return [(fault["loc"], fault["msg"]) for fault in answer.get_json()["detail"]]


def test_a_width_of_openais_is_refused_as_fastapi_does_it(caller: FlaskClient) -> None:
    answer = caller.post("/v1/flux-pro-1.1", json={"width": 1792}, headers={"x-key": "any"})

    [fault] = answer.get_json()["detail"]
    assert answer.status_code == 422
    assert fault == {
        "type": "less_than_equal",
        "loc": ["body", "width"],
        "msg": "Input should be less than or equal to 1440",
        "input": 1792,
        "ctx": {"le": 1440},
    }


def test_all_faults_of_a_request_are_told(caller: FlaskClient) -> None:
    assert faults(caller, "flux-pro-1.1", width=224, height=1000, safety_tolerance=7) == [
        (["body", "safety_tolerance"], "Input should be less than or equal to 6"),
        (["body", "width"], "Input should be greater than or equal to 256"),
        (["body", "height"], "Input should be a multiple of 32"),
    ]


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("flux-pro-1.1", {}),
        ("flux-pro-1.1", {"prompt": None, "width": 1440, "height": 256, "output_format": "webp"}),
        ("flux-pro-1.1", {"prompt": "a fox", "n": 4, "size": "1024x1024"}),
        ("flux-dev", {"steps": 50, "guidance": 1.5}),
        ("flux-pro-1.1-ultra", {"aspect_ratio": "9:21", "raw": True}),
        ("flux-2-pro", {"prompt": "a fox", "width": 2048, "height": 2048}),
        ("flux-2-flex", {"prompt": "a fox", "steps": 50, "prompt_upsampling": False}),
    ],
)
def test_what_a_model_takes_is_taken_and_what_it_does_not_know_is_ignored(
    caller: FlaskClient, model: str, fields: dict[str, Any]
) -> None:
    assert faults(caller, model, **fields) == []


@pytest.mark.parametrize(
    ("model", "fields", "place"),
    [
        ("flux-pro-1.1", {"output_format": "gif"}, ["output_format"]),
        ("flux-pro-1.1", {"seed": "seven"}, ["seed"]),
        ("flux-pro-1.1", {"webhook_url": "nowhere"}, ["webhook_url"]),
        ("flux-dev", {"steps": 51}, ["steps"]),
        ("flux-pro-1.1-ultra", {"aspect_ratio": "30:9"}, ["aspect_ratio"]),
        ("flux-pro-1.1-ultra", {"aspect_ratio": "wide"}, ["aspect_ratio"]),
        ("flux-2-pro", {}, ["prompt"]),
        ("flux-2-pro", {"prompt": "", "width": 48}, ["width"]),
        ("flux-2-pro", {"prompt": "", "height": 1000}, ["height"]),
        ("flux-2-pro", {"prompt": "", "safety_tolerance": 6}, ["safety_tolerance"]),
        ("flux-2-pro", {"prompt": "", "width": 2048, "height": 2064}, []),
    ],
)
def test_what_a_model_does_not_take_is_named(
    caller: FlaskClient, model: str, fields: dict[str, Any], place: list[str]
) -> None:
    [(named, _)] = faults(caller, model, **fields)

    assert named == ["body", *place]


def test_a_body_that_is_no_json_is_refused(caller: FlaskClient) -> None:
    answer = caller.post("/v1/flux-dev", data="{", headers={"x-key": "any"})

    [fault] = answer.get_json()["detail"]
    assert answer.status_code == 422
    assert (fault["type"], fault["loc"], fault["msg"]) == ("json_invalid", ["body", 1], "JSON decode error")


def test_ultra_draws_sixteen_to_nine_as_it_was_seen_to(caller: FlaskClient) -> None:
    caller.post("/v1/flux-pro-1.1-ultra", json={"aspect_ratio": "16:9"}, headers={"x-key": "any"})

    [charge] = caller.get("/control/charges").get_json()
    assert charge["size"] == "2752x1536"
