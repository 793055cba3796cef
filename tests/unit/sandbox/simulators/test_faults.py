import base64
import io
import time
from typing import TYPE_CHECKING

import openai
import pytest
import requests
from openai import OpenAI
from PIL import Image

if TYPE_CHECKING:
    from tests.unit.sandbox.simulators.conftest import Charges


def decoded(b64: str | None) -> Image.Image:
    assert b64 is not None
    image = Image.open(io.BytesIO(base64.b64decode(b64)))
    image.load()
    return image


@pytest.mark.parametrize("outcome", ["drop", "drop_before", "hang"])
def test_a_lost_connection_is_charged_once_the_work_has_begun(
    client: OpenAI, address: str, charges: "Charges", outcome: str
) -> None:
    requests.put(f"{address}/control/latency", json={"hang_seconds": 0.05}, timeout=5)

    with pytest.raises(openai.APIConnectionError):
        client.images.generate(model="dall-e-3", prompt=f"a fox [[{outcome}]]")

    charged = [charge["outcome"] for charge in charges()]
    assert charged == ([] if outcome == "drop_before" else [outcome])


def test_a_client_that_leaves_a_hanging_call_ends_it(client: OpenAI, address: str) -> None:
    with pytest.raises(openai.APITimeoutError):
        client.images.generate(model="dall-e-3", prompt="a fox [[hang]]", timeout=0.2)

    for _ in range(1000):  # each round trip lets the simulator notice
        state = requests.get(f"{address}/control/state", timeout=5).json()
        if state["in_flight"] == 0:
            break
    assert (state["in_flight"], state["most_in_flight"]) == (0, 1)


def test_a_slow_body_sends_its_head_at_once_and_all_of_itself_in_the_end(client: OpenAI, address: str) -> None:
    requests.put(f"{address}/control/latency", json={"body_seconds": 1}, timeout=5)
    body = {"model": "gpt-image-2", "prompt": "a fox [[slow_body]]", "size": "256x256"}
    started = time.monotonic()

    answer = requests.post(
        f"{address}/v1/images/generations", json=body, headers=client.auth_headers, stream=True, timeout=5
    )
    item = answer.json()["data"][0]

    assert answer.elapsed.total_seconds() < 0.9  # until the head was there
    assert time.monotonic() - started >= 0.9
    assert decoded(item["b64_json"]).size == (256, 256)


def test_a_truncated_picture_is_valid_json_and_half_a_picture(client: OpenAI) -> None:
    answer = client.images.generate(model="gpt-image-2", prompt="[[truncated]]", size="256x256")

    assert answer.data is not None
    with pytest.raises(OSError, match="truncated"):
        decoded(answer.data[0].b64_json)


def test_a_picture_of_the_wrong_size_has_half_of_each_edge(client: OpenAI) -> None:
    answer = client.images.generate(model="gpt-image-2", prompt="[[wrong_size]]", size="256x128")

    assert answer.data is not None
    assert decoded(answer.data[0].b64_json).size == (128, 64)


def test_an_empty_answer_is_a_success_without_pictures(client: OpenAI, charges: "Charges") -> None:
    answer = client.images.generate(model="dall-e-3", prompt="[[empty]]")

    assert answer.data == []
    assert len(charges()) == 1


def test_garbage_is_a_success_that_is_no_json(client: OpenAI, charges: "Charges") -> None:
    with pytest.raises(ValueError, match="Expecting value"):
        client.images.generate(model="dall-e-3", prompt="[[garbage]]")

    assert len(charges()) == 1
