"""Which of several processes runs a test, as a plugin of pytest that only `./run test` asks for."""

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

# Their tests start processes, break them and count seconds: two at once are too much for two cores.
HOUSES = ("tests/acceptance/", "tests/integration/pipeline/")


class OneHouseAtATime(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """One process takes all tests of whole houses, from the first moment on; the others share the rest by file."""

    def _split_scope(self, nodeid: str) -> str:
        return "houses" if nodeid.startswith(HOUSES) else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneHouseAtATime:
    return OneHouseAtATime(config, log)
