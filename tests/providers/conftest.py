"""One simulator a provider for all of a run; the conformance suite's tables become tests here."""

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("tests.providers.conformance")

from tests.providers.conformance import KEY, Conformance  # noqa: E402 - rewriting comes first
from tests.providers.simulator import Simulator  # noqa: E402


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A subclass's table of refusals is a test for each of its rows."""
    if "refusal" in metafunc.fixturenames:
        assert metafunc.cls
        assert issubclass(metafunc.cls, Conformance)
        metafunc.parametrize("refusal", metafunc.cls.refusals, ids=lambda refusal: str(refusal.outcome))


@pytest.fixture(scope="class")
def running_simulator(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    """One for each adapter's tests."""
    assert request.cls
    with Simulator.running(request.cls.provider, KEY) as simulator:
        yield simulator


@pytest.fixture
def simulator(running_simulator: Simulator) -> Simulator:
    running_simulator.reset()
    return running_simulator
