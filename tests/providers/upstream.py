"""A bare server for what no simulator does: one answer, byte by byte as given, to whatever it is sent."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Event, Thread
from typing import Any


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it was on the wire; header names in lower case."""

    line: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    """A whole answer; `_` in a header's name stands for `-`."""
    fields = {"content_type": "application/json", "content_length": str(len(body)), **headers}
    head = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Odd"
    return "\r\n".join([f"HTTP/1.1 {status} {phrase}", *head, "", ""]).encode() + body


class Upstream(ThreadingTCPServer):
    """With `hangs_up` it closes each connection after its answer, without having said so."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, answer: bytes, *, hangs_up: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.hangs_up = hangs_up
        self.hung_up = Event()
        self.connections = 0
        self.received: list[Received] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @classmethod
    @contextmanager
    def answering(cls, answer: bytes, *, hangs_up: bool = False) -> Iterator["Upstream"]:
        with cls(answer, hangs_up=hangs_up) as server:
            Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            yield server
            server.shutdown()

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self.hung_up.set()


class _Handler(StreamRequestHandler):
    server: Upstream

    def handle(self) -> None:
        self.server.connections += 1
        while received := self._read():
            self.server.received.append(received)
            self.wfile.write(self.server.answer)
            if self.server.hangs_up:
                return

    def _read(self) -> Received | None:
        line = self.rfile.readline().decode("latin-1").strip()
        headers: dict[str, str] = {}
        while field := self.rfile.readline().decode("latin-1").strip():
            name, _, value = field.partition(":")
            headers[name.lower()] = value.strip()
        if not headers:
            return None
        return Received(line, headers, self.rfile.read(int(headers.get("content-length", "0"))))


@contextmanager
def a_closed_port() -> Iterator[int]:
    """A port that is taken, so that nobody else comes to listen there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])
