import base64
import io
from typing import TYPE_CHECKING, Any, Literal

import openai
import pytest
import requests
from openai import OpenAI
from PIL import Image

if TYPE_CHECKING:
    from tests.unit.sandbox.simulators.conftest import Charges


def decoded(b64: str | None) -> Image.Image:
    assert b64 is not None
    return opened(base64.b64decode(b64))


def opened(body: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(body))
    image.load()
    return image


def test_dall_e_3_answers_a_url_and_a_revised_prompt_and_nothing_else(client: OpenAI) -> None:
    answer = client.images.generate(model="dall-e-3", prompt="a red fox", size="1792x1024", quality="hd")

    assert answer.data is not None
    assert answer.to_dict().keys() == {"created", "data"}
    assert answer.data[0].to_dict().keys() == {"url", "revised_prompt"}
    assert "a red fox" in str(answer.data[0].revised_prompt)
    picture = requests.get(str(answer.data[0].url), timeout=5)
    assert opened(picture.content).size == (1792, 1024)
    assert picture.headers["Content-Type"] == "image/png"


def test_dall_e_2_makes_distinct_pictures_without_revised_prompts(client: OpenAI) -> None:
    answer = client.images.generate(
        model="dall-e-2", prompt="a red fox", n=4, size="256x256", response_format="b64_json"
    )

    assert answer.data is not None
    assert [item.to_dict().keys() for item in answer.data] == [{"b64_json"}] * 4
    assert {decoded(item.b64_json).size for item in answer.data} == {(256, 256)}
    assert len({item.b64_json for item in answer.data}) == 4


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_gpt_image_answers_base64_with_what_it_chose_and_used(
    client: OpenAI, form: Literal["png", "jpeg", "webp"]
) -> None:
    answer = client.images.generate(model="gpt-image-2", prompt="a red fox", n=2, output_format=form)

    assert answer.data is not None
    assert answer.usage is not None
    assert (answer.quality, answer.background, answer.output_format) == ("medium", "opaque", form)
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
    assert {decoded(item.b64_json).size for item in answer.data} == {(1254, 1254)} == {pixels(answer.size)}
    assert {decoded(item.b64_json).format for item in answer.data} == {form.upper()}


def pixels(size: str | None) -> tuple[int, ...]:
    return tuple(map(int, str(size).split("x")))


def test_gpt_image_draws_any_size_within_the_rules(client: OpenAI) -> None:
    answer = client.images.generate(
        model="gpt-image-2.5-sunburst-2026-09-08", prompt="a red fox", size="1536x512", quality="xhigh"
    )

    assert answer.data is not None
    assert decoded(answer.data[0].b64_json).size == (1536, 512)


def test_gpt_image_streams_partial_pictures_and_then_the_completed_one(client: OpenAI) -> None:
    with client.images.generate(
        model="gpt-image-2", prompt="a fox", size="256x256", stream=True, partial_images=2
    ) as stream:
        events = list(stream)

    assert [event.type for event in events] == [
        "image_generation.partial_image",
        "image_generation.partial_image",
        "image_generation.completed",
    ]


def test_equal_requests_are_all_charged_and_answered_with_equal_pictures(
    client: OpenAI, charges: "Charges"
) -> None:
    answers = [
        client.images.generate(model="dall-e-2", prompt="a fox", size="256x256", response_format="b64_json")
        for _ in range(2)
    ]

    first, second = ((answer.data or [])[0].b64_json for answer in answers)
    assert first == second
    assert len(charges()) == 2


def test_models_are_listed_and_retrieved_and_an_unknown_one_is_not_found(client: OpenAI) -> None:
    listed = {model.id for model in client.models.list()}

    assert {"dall-e-2", "dall-e-3", "gpt-image-2", "gpt-image-2.5-flare"} <= listed
    assert client.models.retrieve("dall-e-3").created == 1698785189
    with pytest.raises(openai.NotFoundError) as unknown:
        client.models.retrieve("dall-e-9")
    assert unknown.value.code == "model_not_found"


def test_a_wrong_key_is_named_only_by_its_ends(address: str) -> None:
    key = "sk-wrong-secret-secret-wxyz"

    with (
        OpenAI(api_key=key, base_url=f"{address}/v1") as stranger,
        pytest.raises(openai.AuthenticationError) as refused,
    ):
        stranger.models.list()

    assert refused.value.code == "invalid_api_key"
    assert "wxyz" in refused.value.message
    assert "secret" not in refused.value.message


def answered(address: str, method: str, path: str, **parts: Any) -> requests.Response:
    key = {"Authorization": "Bearer sk-sandbox-0123456789abcd"}
    return requests.request(
        method, address + path, headers={**key, **parts.pop("headers", {})}, timeout=5, **parts
    )


def test_a_missing_key_is_refused_without_a_code(address: str) -> None:
    answer = answered(address, "GET", "/v1/models", headers={"Authorization": None})

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (401, None)
    assert error["message"] == "Missing bearer authentication in header"
    assert "openai-version" not in answer.headers


def test_every_answer_carries_openais_headers(address: str) -> None:
    headers = answered(address, "GET", "/v1/models").headers

    assert len(headers["x-request-id"]) == len("req_") + 32
    assert headers["openai-version"] == "2020-10-01"
    assert int(headers["openai-processing-ms"]) >= 0


def test_unknown_addresses_and_methods_are_refused_in_the_envelope(address: str) -> None:
    unknown = answered(address, "POST", "/v1/images/variations")
    wrong = answered(address, "GET", "/v1/images/generations")

    assert unknown.status_code == 404
    assert unknown.json()["error"]["message"] == "Invalid URL (POST /v1/images/variations)"
    assert (wrong.status_code, wrong.headers["Allow"]) == (405, "OPTIONS, POST")
    assert wrong.json()["error"]["message"].startswith("Not allowed to GET on /v1/images/generations.")


def test_a_body_that_is_no_json_is_refused(address: str) -> None:
    broken = answered(
        address, "POST", "/v1/images/generations", data="{", headers={"Content-Type": "application/json"}
    )

    assert broken.status_code == 400
    assert broken.json()["error"]["message"].startswith("We could not parse the JSON body of your request.")


def test_a_body_of_another_type_is_refused(address: str) -> None:
    plain = answered(address, "POST", "/v1/images/generations", data="{}", headers={"Content-Type": "text/plain"})

    assert plain.status_code == 400
    assert plain.json()["error"]["message"].startswith("Unsupported content type: 'text/plain'.")
