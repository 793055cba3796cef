"""/ops/stream: ticks when something has happened."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from threading import Event

import pytest
from sqlalchemy import make_url

from api.dashboard import pulse
from api.dashboard.glass import Glass
from core.bootstrap import Services
from core.database import Database
from tests.integration.api import lives
from tests.integration.api.dashboard.conftest import Visitor
from tests.integration.api.lives import Owner
from tests.tcp_proxy import TcpProxy


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


def test_it_says_that_it_sees_nothing_and_ticks_as_soon_as_it_sees_again(environment: dict[str, str]) -> None:
    url = make_url(environment["DATABASE_URL"])
    with closing(TcpProxy(f"{url.host}:{url.port}")) as line:
        through = url.set(host="127.0.0.1", port=int(line.address.rpartition(":")[2]))
        with closing(Database(through.render_as_string(hide_password=False))) as database:
            told = pulse.stream(database, Glass(0.0), Event()).iter_encoded()
            assert [next(told)[:11] for _ in range(2)] == [b"retry: 2000", b"event: tick"]

            line.cut()
            assert next(told).startswith(b"event: blind")
            line.restore()

            assert next(said for said in told if b"blind" not in said).startswith(b"event: tick")
