"""Orders pictures as a worker does: submits once, and asks after what was accepted until it is there."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from tests.providers.simulator import Simulator
from tests.tcp_proxy import TcpProxy
from workers.providers.base import Accepted, Delivered, Order, Pending, Provider, RawPicture
from workers.providers.polling import Pace, wait

QUICK = Pace(interval=0.001, deadline=30)
MOST_POLLS = 100


class Hasty(Provider):
    """Counts calls, each made by what `adapter` returns, and hears no provider that asks for a pause."""

    def __init__(self, adapter: Callable[[], Provider]) -> None:
        self.adapter = adapter
        self.submits = self.polls = 0

    def submit(self, order: Order) -> Delivered | Accepted:
        self.submits += 1
        return self.adapter().submit(order)

    def poll(self, order: Order, handle: Mapping[str, Any]) -> Delivered | Pending:
        self.polls += 1
        assert self.polls <= MOST_POLLS, "asked after for ever"
        answered = self.adapter().poll(order, handle)
        return answered if isinstance(answered, Delivered) else Pending(handle=answered.handle)


def make(provider: Provider, order: Order, *, pace: Pace = QUICK) -> list[RawPicture]:
    """The pictures, whether they come at once or are waited for."""
    answered = provider.submit(order)
    return answered.pictures if isinstance(answered, Delivered) else waited(provider, order, answered.handle, pace)


def submitted(provider: Provider, order: Order) -> dict[str, Any]:
    """The handle of an order that the provider accepted."""
    answered = provider.submit(order)
    assert isinstance(answered, Accepted)
    return dict(answered.handle)


def waited(provider: Provider, order: Order, handle: Mapping[str, Any], pace: Pace = QUICK) -> list[RawPicture]:
    hasty = Hasty(lambda: provider)
    ask = partial(hasty.poll, order)
    return wait(ask, handle, pace=pace, keep=lambda _: None, wanted=lambda: True).pictures


def told(handle: Mapping[str, Any]) -> dict[str, Any]:
    """The handle as another process reads it from the ledger."""
    read: dict[str, Any] = json.loads(json.dumps(handle))
    return read


@contextmanager
def a_line_to(simulator: Simulator) -> Iterator[TcpProxy]:
    """A line to the simulator that can be cut."""
    line = TcpProxy(urlsplit(simulator.address).netloc)
    yield line
    line.close()
