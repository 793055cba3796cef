"""What stands between a client and the API on the way through the internet: it loses patience, and connections."""

import asyncio
import math
import re
from collections.abc import Callable

from tests.tcp_proxy import TcpProxy

RETRY_COUNT = re.compile(rb"x-stainless-retry-count: (\d+)", re.IGNORECASE)
TIMED_OUT = b"HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

# Seconds that a request of this retry count may take.
Patience = Callable[[int], float]


def endless(_: int) -> float:
    return math.inf


class Edge(TcpProxy):
    """Forwards requests to `target` (host:port) and breaks off those that take too long, with `farewell` if any.

    The clock of a request runs from its first byte on, and whether or not its answer is on its way.
    """

    def __init__(self, target: str, patience: Patience = endless, farewell: bytes = b"") -> None:
        self._patience = patience
        self._farewell = farewell
        self.broken_off = 0
        super().__init__(target)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, back: asyncio.StreamWriter | None = None
    ) -> None:
        if back:
            head = await source.readuntil(b"\r\n\r\n")
            self._begin(head, onward=sink, back=back)
            sink.write(head)
        await super()._pump(source, sink, back)

    def _begin(self, head: bytes, *, onward: asyncio.StreamWriter, back: asyncio.StreamWriter) -> None:
        count = RETRY_COUNT.search(head)
        seconds = self._patience(int(count[1]) if count else 0)
        if seconds < math.inf:
            self._loop.call_later(seconds, self._break_off, onward, back)

    def _break_off(self, onward: asyncio.StreamWriter, back: asyncio.StreamWriter) -> None:
        self.broken_off += 1
        if self._farewell and not back.is_closing():
            back.write(self._farewell)
            back.close()
        else:
            back.transport.abort()
        onward.transport.abort()
