"""Every public model through the official client: each size, quality and response format."""

from base64 import b64decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from itertools import product

import pytest
import requests
from openai import OpenAI
from openai.types import ImagesResponse
from PIL import Image

from core import catalog_file
from core.generation import Size
from tests.sandboxes import Sandbox

MODELS, _ = catalog_file.read(None)


@dataclass(frozen=True)
class Case:
    model: str
    size: Size
    quality: str
    response_format: str


CASES = [
    Case(model.id, size, quality, response_format)
    for model in MODELS
    for size, quality, response_format in product(model.sizes, model.qualities, ("url", "b64_json"))
]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAI]:
    """A client of a sandbox in which all four providers are simulated."""
    sandbox = Sandbox(tmp_path_factory.mktemp("models") / "home", servers_only=False)
    ready = sandbox.ready()
    with OpenAI(base_url=ready["base_url"], api_key=ready["api_key"], max_retries=0, timeout=120) as client:
        yield client
    sandbox.process.terminate()
    sandbox.process.wait(timeout=15)


def make(client: OpenAI, case: Case, *, n: int = 1) -> list[bytes]:
    response: ImagesResponse = client.images.generate(  # type: ignore[call-overload] # plain strings
        model=case.model,
        prompt=f"a lighthouse, {case.size}",
        size=str(case.size),
        quality=case.quality,
        response_format=case.response_format,
        n=n,
    )
    assert response.data
    return [b64decode(item.b64_json) if item.b64_json else fetch(item.url or "") for item in response.data]


def fetch(url: str) -> bytes:
    answer = requests.get(url, timeout=10)
    answer.raise_for_status()
    return answer.content


def described(picture: bytes) -> str:
    with Image.open(BytesIO(picture)) as image:
        image.load()
        return f"{image.format} {image.width}x{image.height}"


def test_every_model_makes_what_it_offers(client: OpenAI, capsys: pytest.CaptureFixture[str]) -> None:
    def run(case: Case) -> str:
        (picture,) = make(client, case)
        return described(picture)

    with ThreadPoolExecutor(6) as callers:
        made = list(callers.map(run, CASES))

    with capsys.disabled():
        print()
        for case, picture in zip(CASES, made, strict=True):
            print(f"  {case.model:20} {case.size!s:10} {case.quality:9} {case.response_format:9} {picture}")
    assert made == [f"PNG {case.size}" for case in CASES]


@pytest.mark.parametrize("model", [model.id for model in MODELS if model.max_n > 1])
def test_several_pictures_are_several(client: OpenAI, model: str) -> None:
    case = Case(model, Size(1024, 1024), "standard", "b64_json")

    pictures = make(client, case, n=5)

    assert len(set(pictures)) == 5


def test_all_models_are_on_offer(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [model.id for model in MODELS]
