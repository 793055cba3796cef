"""One simulator a provider for all of a run; the conformance suites' tables become tests here."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

import pytest

for suite in ("conformance", "task_conformance", "wire_conformance"):
    pytest.register_assert_rewrite(f"tests.providers.{suite}")

from tests.providers.conformance import Conformance  # noqa: E402 - rewriting comes first
from tests.providers.simulator import Simulator  # noqa: E402
from tests.providers.wire_conformance import KEY  # noqa: E402


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each row of a subclass's tables is a test."""
    if metafunc.cls is None or not issubclass(metafunc.cls, Conformance):
        return
    for name, table in metafunc.cls.tables().items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, table, ids=str)


@pytest.fixture(scope="session")
def running_simulator() -> Iterator[Callable[[str], Simulator]]:
    with ExitStack() as stack:
        yield cache(lambda provider: stack.enter_context(Simulator.running(provider, KEY)))


@pytest.fixture
def simulator(running_simulator: Callable[[str], Simulator], request: pytest.FixtureRequest) -> Simulator:
    """Of the `provider` that the test's class or else its module names."""
    simulator = running_simulator((request.cls or request.module).provider)
    simulator.reset()
    return simulator
