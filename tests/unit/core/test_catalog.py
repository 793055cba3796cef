import re
from dataclasses import fields
from decimal import Decimal
from pathlib import Path

import pytest

from core import catalog_file
from core.catalog import Catalog, Model
from core.generation import ResponseFormat, Size
from core.offers import Dialect, Extra, ProviderEntry, Timeouts, WhenUnknown
from tests.unit.core.own_catalog import EVERY, VLLM, Own

MODELS = catalog_file.read(None)[0]
EVERY_MODEL = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
SQUARE = Size(1024, 1024)
PAGE = (Path(__file__).resolve().parents[3] / "docs" / "catalog.md").read_text(encoding="utf-8")


def model_of(catalog: Catalog, name: str) -> Model:
    model = catalog.model(name)
    assert model
    return model


def test_a_model_is_found_by_its_exact_name() -> None:
    catalog = Catalog.load(None, {"openai"})

    found = model_of(catalog, "dall-e-3")

    assert (found.id, found.provider) == ("dall-e-3", "openai")
    assert catalog.model("DALL-E-3") is None


def test_a_model_whose_provider_cannot_be_called_is_absent() -> None:
    catalog = Catalog.load()

    assert (catalog.models, catalog.providers) == ((), [])
    assert catalog.model("dall-e-3") is None
    assert catalog.provider("openai") is None


def test_a_provider_without_models_is_not_served() -> None:
    assert Catalog.load(None, {"openai", "nobody"}).providers == ["openai"]


def test_the_five_public_models_are_there_and_nothing_that_is_optional() -> None:
    names = [model.id for model in Catalog.load(None, EVERY).models]

    assert names == ["dall-e-3", "dall-e-2", "stable-diffusion-3", "flux-1-pro", "midjourney-v6"]


@EVERY_MODEL
def test_every_model_can_be_asked_for_with_the_defaults(model: Model) -> None:
    assert model.default_size == SQUARE
    assert model.default_quality == "standard"
    assert model.default_style in {None, "vivid"}
    assert model.default_response_format is ResponseFormat.URL
    assert model.max_prompt >= 1000
    assert model.max_n == (1 if model.id == "dall-e-3" else 10)


@EVERY_MODEL
def test_every_size_can_be_made_upstream(model: Model) -> None:
    step = {"openai": 16, "bfl": 32}.get(model.provider, 1)

    assert all(size.width % step == size.height % step == 0 for size in model.sizes)


@EVERY_MODEL
def test_every_picture_has_its_price(model: Model) -> None:
    prices = {model.price(size, quality) for size in model.sizes for quality in model.qualities}

    assert all(0 < price < 1 for price in prices)


def test_each_model_takes_what_its_provider_can_do() -> None:
    extras = {model.id: set(model.extras) for model in MODELS}

    assert extras["stable-diffusion-3"] == {Extra.NEGATIVE_PROMPT, Extra.SEED, Extra.STYLE_PRESET}
    assert extras["flux-1-pro"] == {Extra.SEED}
    assert extras["midjourney-v6"] == {Extra.NEGATIVE_PROMPT, Extra.SEED}
    assert extras["dall-e-3"] == extras["dall-e-2"] == set()


def test_each_provider_is_kept_to_what_it_publishes() -> None:
    entries = {entry.name: entry for entry in catalog_file.read(None)[1]}

    assert {name: entry.pictures_per_call for name, entry in entries.items()} == {
        "openai": 10,
        "stability": 1,
        "bfl": 1,
        "midjourney": 4,
    }
    assert (entries["bfl"].slots, entries["midjourney"].slots) == (24, 3)
    assert entries["stability"].rate == "150/10 seconds"
    assert {entry.when_unknown for entry in entries.values()} == {WhenUnknown.RETRY}


@pytest.mark.parametrize("name", ["gpt-image-2", "gpt-image-2.5-flare", "gpt-image-2.5-sunburst"])
def test_an_optional_model_is_one_word_away(own: Own, name: str) -> None:
    model = model_of(own.load(f'[models."{name}"]\nenabled = true'), name)

    assert model.free_sizes
    assert model.default_response_format is ResponseFormat.B64_JSON
    assert "medium" in model.qualities


@pytest.mark.parametrize(
    ("size", "price"), [(SQUARE, "0.053"), (Size(1024, 1040), "0.106"), (Size(3840, 2160), "0.424")]
)
def test_a_free_size_costs_by_its_area(own: Own, size: Size, price: str) -> None:
    model = model_of(own.load("models.gpt-image-2.enabled = true"), "gpt-image-2")

    assert model.price(size, "medium") == Decimal(price)


def test_an_own_file_changes_what_it_names_and_nothing_else(own: Own) -> None:
    catalog = own.load(
        """
        models.dall-e-3.prices.1024x1024.hd = "0.08"
        models.dall-e-3.timeouts.whole = 90
        models.flux-1-pro = { upstream_model = "flux-2-pro", sizes = ["1024x1024"] }
        providers.openai.slots = 20
        """
    )

    dall_e = model_of(catalog, "dall-e-3")
    assert dall_e.price(SQUARE, "hd") == Decimal("0.08")
    assert dall_e.price(SQUARE, "standard") == Decimal("0.053")
    assert dall_e.timeouts == Timeouts(whole=90)
    assert model_of(catalog, "flux-1-pro").sizes == (SQUARE,)
    openai = catalog.provider("openai")
    assert openai
    assert (openai.slots, openai.pictures_per_call) == (20, 10)


def test_a_model_that_is_not_enabled_is_gone_however_unfinished(own: Own) -> None:
    catalog = own.load("models.dall-e-2.enabled = false\nmodels.mine.enabled = false")

    assert catalog.model("dall-e-2") is None
    assert catalog.model("mine") is None


def test_a_provider_waits_as_long_as_its_slowest_model(own: Own) -> None:
    catalog = own.load("models.dall-e-2.timeouts = { connect = 1, read = 400, whole = 500 }")

    assert catalog.timeouts("openai") == Timeouts(connect=5, read=400, whole=500)
    assert catalog.timeouts("bfl") == Timeouts()


@pytest.mark.parametrize(("environment", "there"), [({"GPU_1_KEY": "k"}, True), ({"GPU_1_KEY": ""}, False)])
def test_an_own_provider_is_called_once_its_key_is_there(
    own: Own, environment: dict[str, str], *, there: bool
) -> None:
    catalog = own.load(VLLM, environment=environment)

    assert ("gpu-1" in catalog.providers) == there
    assert (catalog.model("qwen-image") is not None) == there


def test_an_own_provider_may_need_no_key_and_have_a_dialect(own: Own) -> None:
    text = VLLM.replace('key_variable = "GPU_1_KEY"', 'dialect = "localai"')

    entry = own.load(text).provider("gpu-1")

    assert entry
    assert (entry.base_url, entry.dialect) == ("http://10.0.0.5:8000/v1", Dialect.LOCALAI)


def test_models_that_may_stand_in_come_in_order_and_only_where_they_can_be_called(own: Own) -> None:
    text = 'models.stable-diffusion-3.fallbacks = ["midjourney-v6", "flux-1-pro"]'
    text += "\nmodels.stable-diffusion-3.max_prompt = 4000"
    catalog = own.load(text)
    without = Catalog.load(str(own.path), EVERY - {"midjourney"})

    assert [m.id for m in catalog.fallbacks(model_of(catalog, "stable-diffusion-3"))] == [
        "midjourney-v6",
        "flux-1-pro",
    ]
    assert [m.id for m in without.fallbacks(model_of(without, "stable-diffusion-3"))] == ["flux-1-pro"]


@pytest.mark.parametrize("entry", [Model, ProviderEntry])
def test_every_field_is_explained(entry: type[Model | ProviderEntry]) -> None:
    first_columns = re.findall(r"^\| (`.+?) \|", PAGE, re.MULTILINE)
    explained = set(re.findall(r"`(\w+)`", " ".join(first_columns)))

    assert {field.name for field in fields(entry)} - {"id", "name"} <= explained


@pytest.mark.parametrize("example", re.findall(r"```toml\n(.+?)```", PAGE, re.DOTALL))
def test_the_examples_of_the_page_can_be_loaded(own: Own, example: str) -> None:
    assert own.load(example, environment={"GPU_1_KEY": "k"}).models
