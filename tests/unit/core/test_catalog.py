import pytest

from core.catalog import MODELS, Catalog, Model
from core.generation import Size

EVERY_MODEL = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)


def test_a_model_is_found_by_its_exact_name() -> None:
    catalog = Catalog({"openai"})

    found = catalog.model("dall-e-3")

    assert found
    assert (found.id, found.provider) == ("dall-e-3", "openai")
    assert catalog.model("DALL-E-3") is None


def test_a_model_whose_provider_cannot_be_called_is_absent() -> None:
    catalog = Catalog(())

    assert catalog.models == ()
    assert catalog.providers == []
    assert catalog.model("dall-e-3") is None


def test_a_provider_without_models_is_not_served() -> None:
    assert Catalog({"openai", "nobody"}).providers == ["openai"]


def test_names_are_unique() -> None:
    assert len({model.id for model in MODELS}) == len(MODELS)


@EVERY_MODEL
def test_every_model_can_be_asked_for_with_the_defaults(model: Model) -> None:
    assert Size(1024, 1024) in model.sizes
    assert "standard" in model.qualities
    assert not model.styles or "vivid" in model.styles
    assert model.max_prompt >= 1000
    assert 1 <= model.max_n <= 10


@EVERY_MODEL
def test_every_size_can_be_made_upstream(model: Model) -> None:
    assert all(size.width % 16 == size.height % 16 == 0 for size in model.sizes)
    assert len(set(model.sizes)) == len(model.sizes)
