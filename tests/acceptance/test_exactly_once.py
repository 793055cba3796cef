"""The official client, unaware of everything that goes wrong between it and its picture."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest

from core import settings
from core.bootstrap import Services, assemble
from tests import builders
from tests.acceptance.lost_connections import PARTS, SCENARIOS, House, Scenario
from tests.stack import Stack

CLIENT = [sys.executable, str(Path(__file__).with_name("clients") / "python_client.py")]


@pytest.fixture(scope="module")
def services(
    environments: Callable[[], AbstractContextManager[dict[str, str]]],
) -> Iterator[Services]:
    """One Darkroom for all scenarios: to start it takes longer than most of them."""
    with environments() as environment, closing(assemble(settings.read(environment))) as services:
        builders.register(services)
        yield services


@pytest.fixture(scope="module")
def stack(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    key, _ = builders.make_caller(services)
    environment = dict(services.settings.environment)
    with Stack(tmp_path_factory.mktemp("stack"), environment, key=key) as stack:
        stack.start(*PARTS)
        yield stack


@pytest.mark.parametrize("lose", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_nobody_pays_twice_for(stack: Stack, services: Services, lose: Scenario) -> None:
    lose(House(stack, services, CLIENT))
