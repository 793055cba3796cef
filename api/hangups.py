"""Notices callers that hang up while their calls wait: one look at the kernel for all of a process."""

import select
from collections.abc import Iterator
from contextlib import contextmanager
from socket import socket
from typing import Generic, TypeVar

from gevent import monkey
from gevent.socket import wait_read

# gevent takes the kernel's own away from `select`, since a plain wait at it would hold up everybody.
_epoll = monkey.get_original("select", "epoll")

Waiting = TypeVar("Waiting")


class Hangups(Generic[Waiting]):
    """Tells whose line has ended, or will bring no more.

    Bytes that come in, as of a next request, are left alone, and are no end.
    """

    def __init__(self) -> None:
        self._lines: select.epoll = _epoll()
        self._waiting: dict[int, Waiting] = {}

    @contextmanager
    def watch(self, line: socket | None, waiting: Waiting) -> Iterator[None]:
        """Where there is no line to watch, as in tests without a server, nobody hangs up."""
        if line is None:
            yield
            return
        number = line.fileno()
        self._waiting[number] = waiting
        self._lines.register(number, select.EPOLLRDHUP | select.EPOLLONESHOT)
        try:
            yield
        finally:
            self._lines.unregister(number)
            del self._waiting[number]

    def next(self) -> list[Waiting]:
        """Wait for the next to hang up; all that have by then."""
        wait_read(self._lines.fileno())
        ended = (self._waiting.get(number) for number, _ in self._lines.poll(0))
        return [waiting for waiting in ended if waiting is not None]
