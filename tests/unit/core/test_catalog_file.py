from pathlib import Path

import pytest

from core import catalog_file
from core.catalog import Catalog
from core.errors import SettingsError
from tests.unit.core.own_catalog import VLLM, Own

DALL_E_3 = "own.toml: model dall-e-3: "


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('models.dall-e-3.provider = "nobody"', DALL_E_3 + "provider: there is no provider nobody"),
        ('models.dall-e-3.sizes = ["wide"]', DALL_E_3 + "sizes.0: is not a size such as 1024x768"),
        ('models.dall-e-3.sizes = ["0x1024"]', DALL_E_3 + "sizes.0: is not a size such as 1024x768"),
        ('models.dall-e-3.sizes = ["1024x1024", "64x64"]', DALL_E_3 + "prices.64x64.standard: is missing"),
        ('models.dall-e-3.qualities = ["standard", "best"]', DALL_E_3 + "prices.1024x1024.best: is missing"),
        ('models.dall-e-3.prices.1024x1024.hd = "-1"', DALL_E_3 + "prices.1024x1024.hd: Input should be greater"),
        (
            "models.dall-e-3.prices.1024x1024.hd = 0.08",
            DALL_E_3 + "prices.1024x1024.hd: is not a decimal in quotes",
        ),
        (
            'models.dall-e-3.prices.1024x1024.hd = "NaN"',
            DALL_E_3 + "prices.1024x1024.hd: Input should be a finite",
        ),
        ('models.dall-e-3.prices.huge.hd = "1"', DALL_E_3 + "prices.huge: is neither a size"),
        ("models.dall-e-3.free_sizes = true", DALL_E_3 + "prices.any.standard: is missing"),
        ('models.dall-e-3.extras = ["steps"]', DALL_E_3 + "extras.0: Input should be 'negative_prompt'"),
        ('models.dall-e-3.dropped = ["n"]', DALL_E_3 + "dropped.0: is not one of user"),
        ('models.dall-e-3.dropped = ["style"]', DALL_E_3 + "dropped: style is a choice that the model has"),
        ('models.dall-e-3.default_size = "64x64"', DALL_E_3 + "default_size: 64x64 is not among the sizes"),
        ('models.dall-e-3.default_quality = "x"', DALL_E_3 + "default_quality: x is not among the qualities"),
        ('models.dall-e-3.default_style = "x"', DALL_E_3 + "default_style: x is not among the styles"),
        ('models.dall-e-3.styles = ["vivid", "vivid"]', DALL_E_3 + "styles: names something twice"),
        ("models.dall-e-3.sizes = []", DALL_E_3 + "sizes: Tuple should have at least 1 item"),
        ("models.dall-e-3.max_n = 11", DALL_E_3 + "max_n: Input should be less than or equal to 10"),
        ("models.dall-e-3.max_n = true", DALL_E_3 + "max_n: Input should be a valid integer"),
        ("models.dall-e-3.timeouts.whole = 0", DALL_E_3 + "timeouts.whole: Input should be greater than 0"),
        ("models.dall-e-3.timeouts.all = 1", DALL_E_3 + "timeouts.all: is unknown"),
        ("models.dall-e-3.colour = 1", DALL_E_3 + "colour: is unknown"),
        ('models.dall-e-3.id = "x"', DALL_E_3 + "id: is the name of the table"),
        ('models.dall-e-3.fallbacks = ["gone"]', DALL_E_3 + "fallbacks: gone is not among the models"),
        ('models.dall-e-3.fallbacks = ["dall-e-2"]', DALL_E_3 + "fallbacks: dall-e-2 does not offer 1024x1792"),
        ('models.dall-e-3.fallbacks = ["dall-e-3"]', DALL_E_3 + "fallbacks: dall-e-3 is the model itself"),
        (
            'models.flux-1-pro.fallbacks = ["stable-diffusion-3"]\nmodels.stable-diffusion-3.max_n = 1',
            "own.toml: model flux-1-pro: fallbacks: stable-diffusion-3 takes fewer pictures",
        ),
        ("models.mine = {}", "own.toml: model mine: provider: is missing"),
        ("models.mine = 1", "own.toml: model mine: entry: is not a table"),
        ("models = 1", "own.toml: models: is not a table"),
        ("modles.x = 1", "own.toml: modles: the catalog has models and providers"),
        ("providers.openai.slots = -1", "own.toml: provider openai: slots: Input should be greater"),
        ('providers.openai.rate = "often"', "own.toml: provider openai: rate: String should match"),
        ('providers.openai.base_url = "http://x"', "own.toml: provider openai: base_url: belongs to openai_comp"),
        ('providers.mine.adapter = "openai"', "own.toml: provider mine: adapter: openai is for the provider of"),
        ('providers.mine.adapter = "gopher"', "own.toml: provider mine: adapter: Input should be 'openai'"),
        (
            'providers.openai.adapter = "openai_compatible"',
            "provider openai: adapter: openai is the name of a built",
        ),
        ("providers.openai.slots = 100_001", "own.toml: provider openai: slots: Input should be less"),
        (
            "providers.openai.poll_seconds = true",
            "own.toml: provider openai: poll_seconds: Input should be a valid",
        ),
        ("models.dall-e-3.enabled = 'no'", DALL_E_3 + "enabled: Input should be a valid boolean"),
        ('providers.mine.adapter = "openai_compatible"', "own.toml: provider mine: base_url: is missing"),
        ('providers."a b".adapter = "openai_compatible"', "own.toml: provider a b: name: is not of small letters"),
        ("providers.bfl.slots = 1\n[models", "own.toml: Expected"),
    ],
)
def test_a_bad_entry_is_refused_with_file_entry_and_field(own: Own, text: str, fault: str) -> None:
    assert fault in own.refuse(text)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml"):
        Catalog.load(str(tmp_path / "none.toml"))


def test_a_value_in_the_wrong_place_is_not_repeated(own: Own) -> None:
    message = own.refuse(VLLM.replace("GPU_1_KEY", "sk-secret"))

    assert "provider gpu-1: key_variable" in message
    assert "sk-secret" not in message


def test_the_built_in_file_is_named_where_the_fault_is_its_own(
    own: Own, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "catalog.toml"
    broken.write_text(catalog_file.BUILT_IN.read_text().replace("slots = 500", 'slots = "many"'))
    monkeypatch.setattr(catalog_file, "BUILT_IN", broken)

    assert own.refuse("").startswith("catalog.toml: provider openai: slots: ")
