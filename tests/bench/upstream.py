"""A provider that answers at once with a finished picture, so that Darkroom is measured and not the provider.

The prompt says what it answers: see `prompt`. Run as a process of its own, it prints its port and serves until its
standard input closes.
"""

import asyncio
import json
import re
import sys
import time
from base64 import b64encode

from tests.bench import pictures
from tests.bench.load import raise_open_files_limit

_ORDER = re.compile(rb"a picture of (\d+) kB after ([\d.]+) s")
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"


def prompt(kilobytes: int, *, after: float = 0.0) -> str:
    """What to ask for a picture of one of the sizes of `pictures.KILOBYTES`, that many seconds later."""
    return f"a picture of {kilobytes} kB after {after} s"


class Exchange(asyncio.Protocol):
    """One kept connection; asyncio sets TCP_NODELAY on it."""

    def __init__(self, answers: dict[int, bytes]) -> None:
        self._answers = answers
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._unread += data
        head, found, rest = self._unread.partition(_HEAD_END)
        length = _LENGTH.search(head)
        if found and len(rest) >= int(length[1] if length else 0):
            self._unread = b""
            self._answer(rest)

    def _answer(self, body: bytes) -> None:
        order = _ORDER.search(body)
        assert order is not None, body
        answer, seconds = self._answers[int(order[1])], float(order[2])
        if seconds:
            asyncio.get_running_loop().call_later(seconds, self._write, answer)
        else:
            self._write(answer)

    def _write(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)


def _http(png: bytes) -> bytes:
    """The picture as a GPT image model's answer."""
    chosen = {"background": "opaque", "output_format": "png", "quality": "medium", "size": "1024x1024"}
    reply = {"created": int(time.time()), **chosen, "data": [{"b64_json": b64encode(png).decode()}]}
    body = json.dumps(reply).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + _HEAD_END + body


async def _serve() -> None:
    answers = {kilobytes: _http(pictures.draw(kilobytes)) for kilobytes in pictures.KILOBYTES}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Exchange(answers), "127.0.0.1", 0, backlog=4096)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    raise_open_files_limit()
    asyncio.run(_serve())
