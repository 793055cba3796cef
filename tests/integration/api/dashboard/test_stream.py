"""/ops/stream: ticks when something has happened."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from api.dashboard import pulse
from core.bootstrap import Services
from tests.integration.api import lives
from tests.integration.api.dashboard.conftest import Visitor
from tests.integration.api.lives import Owner


@contextmanager
def stream(visitor: Visitor) -> Iterator[Callable[[], str]]:
    """Reads what is told next."""
    response = visitor.client.get("/ops/stream", buffered=False)
    pieces = response.iter_encoded()
    assert response.mimetype == "text/event-stream"
    yield lambda: next(pieces).decode()
    response.close()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks about, without resting between two looks."""
    monkeypatch.setattr(pulse, "LOOK_SECONDS", 0.0)


def test_it_ticks_at_once_and_then_when_something_has_happened(
    services: Services, owner: Owner, viewer: Visitor
) -> None:
    with stream(viewer) as told:
        assert told() == "retry: 2000\n\n"
        assert told().startswith("event: tick\ndata: ")
        assert told() == ": still here\n\n"

        lives.begin(services, owner)

        assert any(told().startswith("event: tick") for _ in iter(int, 1))
