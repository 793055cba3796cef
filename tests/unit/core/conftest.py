from pathlib import Path

import pytest

from tests.unit.core.own_catalog import Own


@pytest.fixture
def own(tmp_path: Path) -> Own:
    return Own(tmp_path / "own.toml")
