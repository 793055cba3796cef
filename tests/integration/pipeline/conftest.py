"""A whole Darkroom for a test to break."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.bootstrap import Services
from tests import builders
from tests.stack import Stack


@pytest.fixture
def stack(environment: dict[str, str], services: Services, tmp_path: Path) -> Iterator[Stack]:
    """Nothing runs yet. The test's own `services` go around the lines that it may cut."""
    key, _ = builders.make_caller(services)
    builders.register(services)
    with Stack(tmp_path, environment, key=key) as stack:
        yield stack
