import re
from dataclasses import MISSING
from pathlib import Path

import pytest

from core.errors import SettingsError
from core.settings import read, variables
from tests.required import REQUIRED

ROOT = Path(__file__).resolve().parents[3]
DEFAULTS = {
    field.metadata["name"]: field.default
    for field in variables()
    if field.default is not MISSING and field.default is not None
}


def test_what_is_required_is_enough() -> None:
    settings = read(REQUIRED)

    assert settings.database_url == REQUIRED["DATABASE_URL"]
    assert (settings.s3_bucket, settings.wait_seconds) == ("darkroom", 240.0)
    assert settings.default_model is None


def test_all_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as refused:
        read({})

    assert str(refused.value) == "; ".join(f"{name} is required" for name in REQUIRED)


@pytest.mark.parametrize("name", REQUIRED)
def test_an_empty_variable_counts_as_absent(name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} is required$"):
        read({**REQUIRED, name: ""})


def test_what_is_unreadable_is_named_beside_what_is_missing_and_not_repeated() -> None:
    garbled = {**REQUIRED, "DARKROOM_WAIT_SECONDS": "soon", "S3_ENDPOINT": "store:9000", "REDIS_URL": ""}

    with pytest.raises(SettingsError) as refused:
        read(garbled)

    message = "REDIS_URL is required; S3_ENDPOINT is not readable; DARKROOM_WAIT_SECONDS is not readable"
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("DATABASE_URL", "postgres://darkroom:hush-1@127.0.0.1/darkroom"),
        ("DATABASE_URL", "postgresql://darkroom:hush-1@127.0.0.1/darkroom"),
        ("REDIS_URL", "127.0.0.1:6379"),
    ],
)
def test_an_address_that_no_server_is_reached_by_is_refused_at_the_start(name: str, address: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} is not readable$"):
        read({**REQUIRED, name: address})


@pytest.mark.parametrize("number", ["-1", "one", "1.5"])
def test_proxies_that_are_trusted_are_counted_from_none_on(number: str) -> None:
    assert read(REQUIRED).trusted_proxies == 0
    assert read({**REQUIRED, "DARKROOM_TRUSTED_PROXIES": "2"}).trusted_proxies == 2

    with pytest.raises(SettingsError, match="DARKROOM_TRUSTED_PROXIES is not readable"):
        read({**REQUIRED, "DARKROOM_TRUSTED_PROXIES": number})


@pytest.mark.parametrize("name", ["DARKROOM_KEEP_PROMPTS_DAYS", "DARKROOM_MOST_OUTPUT_SECONDS"])
def test_nothing_of_a_job_is_kept_for_longer_than_the_job(name: str) -> None:
    kept = {
        "DARKROOM_KEEP_JOBS_DAYS": "2",
        "DARKROOM_KEEP_PROMPTS_DAYS": "1",
        "DARKROOM_MOST_OUTPUT_SECONDS": "3600",
    }
    longer = {"DARKROOM_KEEP_PROMPTS_DAYS": "3", "DARKROOM_MOST_OUTPUT_SECONDS": "259200"}
    assert read({**REQUIRED, **kept}).keep_jobs_days == 2

    with pytest.raises(SettingsError, match=f"^DARKROOM_KEEP_JOBS_DAYS is shorter than {name}$"):
        read({**REQUIRED, **kept, name: longer[name]})


def test_results_that_quote_prompts_are_not_kept_for_longer_than_prompts() -> None:
    kept = {"DARKROOM_KEEP_PROMPTS_DAYS": "2", "DARKROOM_MOST_OUTPUT_SECONDS": "172800"}
    assert read({**REQUIRED, **kept}).keep_prompts_days == 2

    with pytest.raises(SettingsError, match="KEEP_PROMPTS_DAYS is shorter than DARKROOM_MOST_OUTPUT"):
        read({**REQUIRED, **kept, "DARKROOM_MOST_OUTPUT_SECONDS": "172801"})


@pytest.mark.parametrize("address", ["http://store:9000/", "http://store:9000"])
def test_an_address_loses_its_trailing_slash(address: str) -> None:
    assert read({**REQUIRED, "S3_ENDPOINT": address}).s3_endpoint == "http://store:9000"


def test_no_secret_shows_when_settings_are_printed() -> None:
    settings = read({**REQUIRED, "OPENAI_API_KEY": "hush-5"})

    assert "hush" not in repr(settings)
    assert "hush" not in str(settings)
    assert "http://127.0.0.1:9000" in repr(settings)


@pytest.mark.parametrize(("key", "providers"), [("sk-upstream", {"openai"}), ("", set())])
def test_a_provider_is_called_only_with_a_key(key: str, providers: set[str]) -> None:
    assert read({**REQUIRED, "OPENAI_API_KEY": key}).providers == providers


def test_other_variables_are_nobodys_business() -> None:
    assert read({**REQUIRED, "PATH": "/bin", "DARKROOM_NONSENSE": "1"}) == read(REQUIRED)


def _examples() -> list[tuple[str, re.Match[str]]]:
    """Each variable of the example with the line before it; `# NAME=value` shows a default."""
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    variable = re.compile(r"(?P<off># ?)?(?P<name>[A-Z][A-Z0-9_]+)=(?P<value>.*)")
    pairs = zip(["", *lines], lines, strict=False)
    return [(before, match) for before, line in pairs if (match := variable.fullmatch(line))]


def test_the_example_environment_names_every_setting_once_and_nothing_else() -> None:
    compose = (ROOT / "compose.yaml").read_text(encoding="utf-8")

    names = [match["name"] for _, match in _examples()]

    settings = {field.metadata["name"] for field in variables()}
    assert sorted(names) == sorted(settings | set(re.findall(r"\$\{([A-Z0-9_]+)", compose)))


def test_the_example_environment_explains_every_setting() -> None:
    assert [match["name"] for before, match in _examples() if not re.match(r"# ?\w", before)] == []


def test_the_example_environment_shows_the_real_defaults() -> None:
    shown = {match["name"]: match["value"] for _, match in _examples() if match["off"]}
    # Read by the product's own parser, since 240 and 240.0 are the same default.
    settings = read({**REQUIRED, **shown})

    values = {field.metadata["name"]: getattr(settings, field.name) for field in variables()}
    assert {name: values[name] for name in DEFAULTS} == DEFAULTS
    assert set(DEFAULTS) <= set(shown)


def test_the_example_environment_sets_what_is_required() -> None:
    assert {match["name"] for _, match in _examples() if not match["off"]} >= set(REQUIRED)
