"""What stands before several processes of the API: it asks each whether it is ready, and sends new calls there."""

import asyncio
from contextlib import closing, suppress
from itertools import cycle

from tests.tcp_proxy import TcpProxy

CHECK_SECONDS = 0.1
CHECK = b"GET /health/ready HTTP/1.1\r\nHost: balancer\r\nConnection: close\r\n\r\n"


class Balancer(TcpProxy):
    """Takes turns among the `targets` (host:port) that are ready."""

    def __init__(self, *targets: str) -> None:
        self._turns = cycle(targets)
        self._number = len(targets)
        self.ready: set[str] = set()
        super().__init__(targets[0])
        self._checks = [asyncio.run_coroutine_threadsafe(self._check(target), self._loop) for target in targets]

    def close(self) -> None:
        for check in self._checks:
            check.cancel()
        super().close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        chosen = self._next()
        if chosen is None:
            writer.transport.abort()
            return
        self._target = _address(chosen)
        await super()._serve(reader, writer)

    def _next(self) -> str | None:
        turns = (next(self._turns) for _ in range(self._number))
        return next((target for target in turns if target in self.ready), None)

    async def _check(self, target: str) -> None:
        while True:
            note = self.ready.add if await _is_ready(target) else self.ready.discard
            note(target)
            await asyncio.sleep(CHECK_SECONDS)


async def _is_ready(target: str) -> bool:
    try:
        reader, writer = await asyncio.open_connection(*_address(target))
    except OSError:
        return False
    with closing(writer), suppress(OSError):
        writer.write(CHECK)
        return (await reader.readline()).startswith(b"HTTP/1.1 200")
    return False


def _address(target: str) -> tuple[str, int]:
    host, _, port = target.rpartition(":")
    return host, int(port)
