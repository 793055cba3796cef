"""A receiver of events: a real HTTP server that answers as it is told, and keeps what it got."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self

from standardwebhooks import Webhook


@dataclass(frozen=True)
class Got:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def name(self) -> str:
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> Any:
        """The event, where it is signed. Raises WebhookVerificationError."""
        return Webhook(secret).verify(self.body, self.headers)


@dataclass(frozen=True)
class Answer:
    """How it answers; `first` is done before."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    first: Callable[[], object] = lambda: None


class Receiver:
    """Takes one answer of its script a request, and 204 beyond it."""

    def __init__(self, *script: Answer | int) -> None:
        self._script = deque(script)
        self.got: list[Got] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?shop=7"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.got.append(Got(self.path, headers, body))
                scripted = receiver._script.popleft() if receiver._script else 204
                answer = Answer(scripted) if isinstance(scripted, int) else scripted
                answer.first()
                self.send_response(answer.status)
                for name, value in {"content-length": "0", **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()

            def do_GET(self) -> None:
                self.do_POST()

            def log_message(self, *_: object) -> None:
                pass

        return Handler
