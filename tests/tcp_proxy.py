"""A TCP proxy on loopback whose line can be cut, or go silent, in the middle of anything."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from threading import Thread


class TcpProxy:
    """Forwards `address` (host:port) to `target` (host:port) from a thread of its own."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = host, int(port)
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None
        self._port = 0
        self._unanswered: bytes | None = None
        self._refuses = False
        self.answers_lost = 0
        self.taken = 0
        self._thread = Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.restore()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    def cut(self) -> None:
        """Break every connection, and refuse new ones."""
        self._run(self._cut())

    def restore(self) -> None:
        self._run(self._listen())

    def silence(self) -> None:
        """Go on taking connections and bytes, and pass nothing on."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def lose_answer_to(self, request: bytes, *, and_refuse: bool = False) -> None:
        """Pass the next bytes that hold `request` on, and break their connection before the answer.

        `and_refuse`: from then on, refuse new ones.
        """
        self._unanswered = request
        self._refuses = and_refuse

    def close(self) -> None:
        self._run(self._cut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    def _run(self, step: Coroutine[None, None, None]) -> None:
        asyncio.run_coroutine_threadsafe(step, self._loop).result(timeout=10)

    async def _listen(self) -> None:
        self._flowing.set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _cut(self) -> None:
        if self._server:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            upstream, onward = await asyncio.open_connection(*self._target)
            await asyncio.gather(self._pump(reader, onward, back=writer), self._pump(upstream, writer))
        writer.close()

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, back: asyncio.StreamWriter | None = None
    ) -> None:
        self._writers.add(sink)
        try:
            while chunk := await source.read(65536):
                self.taken += len(chunk)
                await self._flowing.wait()
                if back and self._unanswered and self._unanswered in chunk:
                    self._unanswered = None
                    self.answers_lost += 1
                    back.transport.abort()
                    if self._refuses and self._server:
                        self._server.close()
                sink.write(chunk)
                await sink.drain()
        finally:
            self._writers.discard(sink)
            sink.close()
