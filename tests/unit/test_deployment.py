import re
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from core import catalog_file
from core.settings import variables
from darkroom import cli

ROOT = Path(__file__).resolve().parents[2]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
SETTINGS = {setting.metadata["name"] for setting in variables()}
PROVIDERS = {entry.name for entry in catalog_file.read(None)[1]}
# gunicorn reads it by itself.
GUNICORN = {"WEB_CONCURRENCY"}


def example() -> tuple[set[str], set[str]]:
    """The names in .env.example: our settings, and what only compose.yaml reads."""
    ours, _, compose = (ROOT / ".env.example").read_text().partition("\n# --- compose.yaml only ---\n")
    names = [set(re.findall(r"^(?:# )?([A-Z][A-Z0-9_]*)=", part, re.MULTILINE)) for part in (ours, compose)]
    return names[0], names[1]


def test_every_process_has_its_service() -> None:
    workers = {f"worker-{provider}" for provider in PROVIDERS}

    assert set(OURS) == {"api", "clerk", "scheduler", "setup"} | workers
    assert set(SERVICES) - set(OURS) == {"postgres", "redis", "minio"}


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_command_is_one_that_the_command_line_knows(name: str) -> None:
    command, *arguments = OURS[name]["command"]

    known = cli.commands[command]
    options = known.make_parser(click.Context(known)).parse_args(arguments)[0]

    assert all(value is not None for value in options.values())


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_a_worker_service_works_for_its_provider(provider: str) -> None:
    worker = SERVICES[f"worker-{provider}"]

    assert worker["command"] == ["worker", "--provider", provider]
    assert f'"{provider}-1@' in worker["healthcheck"]["test"]


@pytest.mark.parametrize("name", sorted(OURS))
def test_our_services_get_every_setting_and_nothing_else(name: str) -> None:
    extra = GUNICORN if name == "api" else set()

    assert set(OURS[name]["environment"]) == SETTINGS | extra


def test_only_the_api_is_published_and_on_loopback_by_default() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert published == {"api": ["${API_ADDRESS:-127.0.0.1}:${API_PORT:-8000}:8000"]}


def test_servers_can_neither_be_reached_nor_reach_out() -> None:
    assert {name for name, service in SERVICES.items() if "default" in service["networks"]} == {
        "api",
        "scheduler",
        *(f"worker-{provider}" for provider in PROVIDERS),
    }


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_image_names_its_version(name: str) -> None:
    image = SERVICES[name]["image"]

    _, _, tag = image.rpartition("/")[2].partition(":")

    assert tag
    assert tag != "latest"


@pytest.mark.parametrize("name", sorted(OURS))
def test_our_services_run_without_rights(name: str) -> None:
    service = OURS[name]

    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_whatever_compose_reads_is_in_the_example() -> None:
    text = (ROOT / "compose.yaml").read_text()
    read = set(re.findall(r"(?<!\$)\$\{([A-Z0-9_]+)", text))
    ours, compose = example()

    assert read <= ours | compose
    assert compose <= read


def test_whatever_compose_requires_is_filled_in_by_hand() -> None:
    text = (ROOT / "compose.yaml").read_text()
    required = set(re.findall(r"\$\{([A-Z0-9_]+):\?", text))

    filled_in = set(re.findall(r"^([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))

    assert required <= filled_in


def test_the_image_holds_what_any_setting_may_ask_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [each for extra in project["optional-dependencies"].values() for each in extra]
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))

    wanted = {re.split(r"[^a-z0-9-]", each, maxsplit=1)[0] for each in [*project["dependencies"], *extras]}

    assert wanted
    assert wanted <= locked


def test_the_image_holds_every_package_that_its_parts_import() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()

    copied = set(re.findall(r"^COPY (\w+) \1$", dockerfile, re.MULTILINE))

    assert copied == {"api", "core", "migrations", "workers"}
    assert {f"!{package}" for package in copied} <= set((ROOT / ".dockerignore").read_text().split())
