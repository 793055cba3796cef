from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core import settings
from core.errors import SettingsError
from core.generation import Size
from core.offers import Dialect
from core.settings import Settings
from tests.providers.conformance import Conformance, Refusal
from tests.providers.test_openai import OpenAIConformance
from tests.providers.upstream import Upstream, answer
from tests.providers.wire_conformance import KEY, PATIENT, PROMPT
from tests.required import REQUIRED
from workers.providers import registry
from workers.providers.base import Delivered, Order, Provider
from workers.providers.errors import Misconfigured, ProviderError, Rejected, Throttled, Unavailable
from workers.providers.http import Client, Limits
from workers.providers.openai_compatible import OpenAICompatible

ORDER = Order(upstream_model="dall-e-2", prompt=PROMPT, n=1, size=Size(256, 256), quality="standard", style=None)
PLAIN = {"model": "dall-e-2", "prompt": PROMPT, "n": 1, "size": "256x256", "response_format": "b64_json"}
EXTRAS = {"negative_prompt": "dogs", "seed": 7}


def build(address: str, limits: Limits = PATIENT, *, dialect: Dialect = Dialect.OPENAI) -> OpenAICompatible:
    headers = {"Authorization": f"Bearer {KEY}"}
    client = Client(f"{address}/v1", headers, connections=4, limits=limits)
    return OpenAICompatible(client, dialect=dialect, pictures_per_call=3)


class TestOpenAICompatible(Conformance):
    """Its simulator is OpenAI's, whose route it speaks."""

    provider = "openai"
    order = ORDER
    most = 3
    refusals = (*OpenAIConformance.refusals, Refusal("rate_limit", Throttled, retry_after=1))

    def build(self, address: str, limits: Limits = PATIENT) -> OpenAICompatible:
        return build(address, limits)


def wire(order: Order, dialect: Dialect) -> dict[str, Any]:
    """What is sent for an order."""
    with Upstream.answering(answer(500)) as upstream, pytest.raises(Unavailable):
        build(upstream.address, dialect=dialect).submit(order)
    [received] = upstream.received
    assert received.line == "POST /v1/images/generations HTTP/1.1"
    sent: dict[str, Any] = received.json()
    return sent


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (ORDER, PLAIN),
        (replace(ORDER, quality="hd", style="natural"), {**PLAIN, "quality": "hd", "style": "natural"}),
        (replace(ORDER, extras=EXTRAS), {**PLAIN, **EXTRAS}),
        (replace(ORDER, extras={"seed": 7}, first=2), {**PLAIN, "seed": 9}),
    ],
)
def test_openais_dialect_names_only_what_differs_from_the_default(order: Order, expected: dict[str, Any]) -> None:
    assert wire(order, Dialect.OPENAI) == expected


def test_together_is_told_width_and_height_and_its_own_word_for_base64() -> None:
    sent = wire(replace(ORDER, size=Size(1024, 768), extras=EXTRAS, quality="hd"), Dialect.TOGETHER)

    expected = {**PLAIN, "response_format": "base64", "width": 1024, "height": 768, **EXTRAS}
    del expected["size"]
    assert sent == expected


@pytest.mark.parametrize(
    ("prompt", "extras", "sent"),
    [
        ("a fox", {}, "a fox"),
        ("a fox", {"negative_prompt": "dogs"}, "a fox|dogs"),
        ("a fox | a hen", {"negative_prompt": "dogs"}, "a fox , a hen|dogs"),
    ],
)
def test_localai_reads_what_is_to_be_left_out_after_a_bar(prompt: str, extras: dict[str, Any], sent: str) -> None:
    assert wire(replace(ORDER, prompt=prompt, extras=extras), Dialect.LOCALAI) == {**PLAIN, "prompt": sent}


@pytest.mark.parametrize(
    ("status", "body", "kind", "public"),
    [
        (400, b'{"detail": "n must be 1"}', Rejected, "n must be 1"),
        (
            422,
            b'{"detail": [{"loc": ["body", "size"], "msg": "is odd", "input": "7x7"}, 7]}',
            Rejected,
            "size: is odd",
        ),
        (422, b'{"detail": {"a": 1}}', Rejected, "The provider refused the request."),
        (503, b'{"detail": "loading"}', Unavailable, Unavailable.public),
        (404, b'{"error": {"code": "model_not_available"}}', Misconfigured, Misconfigured.public),
        (
            200,
            b'{"data": [{"url": "http://elsewhere/x.png", "b64_json": null}]}',
            Misconfigured,
            Misconfigured.public,
        ),
    ],
)
def test_what_other_servers_answer_says_what_to_do(
    status: int, body: bytes, kind: type[ProviderError], public: str
) -> None:
    with Upstream.answering(answer(status, body)) as upstream, pytest.raises(kind) as caught:
        build(upstream.address).submit(ORDER)

    assert caught.value.public == public


def test_an_answer_with_more_than_pictures_is_read_all_the_same() -> None:
    body = b'{"id": "x", "object": "list", "data": [{"index": 0, "b64_json": "AAAA", "url": null}], "usage": {}}'

    with Upstream.answering(answer(200, body)) as upstream:
        delivered = build(upstream.address).submit(ORDER)

    assert isinstance(delivered, Delivered)
    assert [picture.data for picture in delivered.pictures] == [b"\0\0\0"]


class Place:
    """An operator's own file that names two servers, one of them without a key."""

    def __init__(self, path: Path, address: str) -> None:
        self.path = path
        entry = 'adapter = "openai_compatible"\nbase_url = "{}/v1/"\npictures_per_call = 2\n'.format
        guarded = entry(address) + 'key_variable = "GPU_1_KEY"\n'
        path.write_text(f"[providers.gpu-1]\n{guarded}[providers.gpu-2]\n{entry(address)}")

    def settings(self, **keys: str) -> Settings:
        return settings.read({**REQUIRED, "DARKROOM_CATALOG": str(self.path), **keys})

    def build(self, name: str, **keys: str) -> Provider:
        return registry.build(name, self.settings(**keys), connections=1)


@pytest.mark.parametrize(("name", "sent"), [("gpu-1", "Bearer k-1"), ("gpu-2", None)])
def test_an_own_provider_is_built_from_the_catalog(tmp_path: Path, name: str, sent: str | None) -> None:
    with Upstream.answering(answer(500)) as upstream:
        provider = Place(tmp_path / "own.toml", upstream.address).build(name, GPU_1_KEY="k-1")
        with pytest.raises(Unavailable):
            provider.submit(ORDER)

    [received] = upstream.received
    assert received.line == "POST /v1/images/generations HTTP/1.1"
    assert received.headers.get("authorization") == sent
    assert provider.pictures_per_call == 2


@pytest.mark.parametrize(
    ("keys", "fault"), [({}, "'gpu-1', or no key for it"), ({"GPU_1_KEY": "sk-secret\n"}, "GPU_1_KEY holds what")]
)
def test_an_own_provider_without_a_fitting_key_is_refused(
    tmp_path: Path, keys: dict[str, str], fault: str
) -> None:
    place = Place(tmp_path / "own.toml", "http://127.0.0.1:1")

    with pytest.raises(SettingsError, match=fault) as caught:
        place.build("gpu-1", **keys)

    assert "sk-secret" not in str(caught.value)


def test_settings_that_are_printed_show_no_key_of_an_own_provider(tmp_path: Path) -> None:
    place = Place(tmp_path / "own.toml", "http://127.0.0.1:1")

    assert "sk-secret" not in repr(place.settings(GPU_1_KEY="sk-secret"))
