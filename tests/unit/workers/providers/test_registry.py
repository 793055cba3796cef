import pytest

from core import settings
from core.errors import SettingsError
from core.settings import Settings
from tests.required import REQUIRED
from workers.providers import registry
from workers.providers.openai import OpenAI


def settings_with(key: str) -> Settings:
    return settings.read({**REQUIRED, "OPENAI_API_KEY": key})


def test_a_provider_with_a_key_is_built() -> None:
    assert isinstance(registry.build("openai", settings_with("sk-test"), connections=1), OpenAI)


@pytest.mark.parametrize(("name", "key"), [("openai", ""), ("nobody", "sk-test")])
def test_a_provider_without_a_key_or_an_adapter_is_refused_by_name(name: str, key: str) -> None:
    with pytest.raises(SettingsError, match=r"OPENAI_API_KEY|'nobody'"):
        registry.build(name, settings_with(key), connections=1)


@pytest.mark.parametrize("key", ["sk-secret\n", "sk-secret\r\nx: y", "sk-secret-\u2013", "sk-secret\0"])
def test_a_key_that_fits_no_header_is_refused_at_the_start_and_not_told(key: str) -> None:
    with pytest.raises(SettingsError) as caught:
        registry.build("openai", settings_with(key), connections=1)

    assert "sk-secret" not in str(caught.value)
