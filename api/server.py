"""gunicorn with gevent around the app: a waiting call costs a greenlet, not a thread."""

import os
import resource
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import gevent
from gevent import monkey
from gunicorn.app.base import BaseApplication
from gunicorn.workers.ggevent import GeventWorker

from api.metrics import sharing
from core import logs
from core.settings import Settings

if TYPE_CHECKING:
    from flask import Flask

    from api.waiting import WaitingRoom

# Calls that one process holds at once; a waiting call is one open file as well.
CONNECTIONS = 10_000
DRAIN_SECONDS = 3
# A line that has been silent for so long is tried, and given up after so many tries at this distance: a caller
# whose machine or network went away is noticed within a minute.
KEEP_ALIVE = {socket.TCP_KEEPIDLE: 30, socket.TCP_KEEPINTVL: 10, socket.TCP_KEEPCNT: 3}


class Server(BaseApplication):  # type: ignore[misc] # gunicorn is untyped
    """gunicorn, configured here and nowhere else; WEB_CONCURRENCY sets the number of its processes."""

    room: "WaitingRoom"

    def __init__(self, settings: Settings, *, bind: str) -> None:
        self._settings = settings
        self._bind = bind
        super().__init__()

    def load_config(self) -> None:
        options = {
            "bind": self._bind,
            "worker_class": Worker,
            "worker_connections": CONNECTIONS,
            "backlog": 4096,
            "graceful_timeout": DRAIN_SECONDS,
            "keepalive": 75,  # longer than the clients' pools, so that they close first
            "control_socket_disable": True,
            "on_starting": sharing.begin,
            "on_exit": sharing.end,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> "Flask":
        """Build the app inside the worker process, after gevent has patched the standard library."""
        # Imported late on purpose: sockets made by modules loaded before the patch would block everybody.
        from api.app import create_app  # noqa: PLC0415
        from api.waiting import WaitingRoom  # noqa: PLC0415
        from core.bootstrap import assemble  # noqa: PLC0415

        logs.configure()
        services = assemble(self._settings)
        self.room = WaitingRoom(services.database, services.notifier)
        self.room.open()
        return create_app(services, self.room)


class Worker(GeventWorker):  # type: ignore[misc] # gunicorn is untyped
    """Told to stop, sends its callers away at once: they come back to the next process, which finds their jobs."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._idle: set[socket.socket] = set()

    def run(self) -> None:
        super().run()
        self.app.room.receipts.flush()  # by now the last answers have left

    def handle(self, listener: Any, client: socket.socket, addr: Any) -> None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEP_ALIVE.items():
            client.setsockopt(socket.IPPROTO_TCP, option, value)
        self._idle.add(client)
        try:
            super().handle(listener, client, addr)
        finally:
            self._idle.discard(client)

    def handle_request(self, listener_name: Any, req: Any, sock: socket.socket, addr: Any) -> None:
        self._idle.discard(sock)
        super().handle_request(listener_name, req, sock, addr)
        if not self.alive:
            raise StopIteration  # gunicorn's own sign that this connection is to be closed
        self._idle.add(sock)

    def handle_exit(self, sig: int, frame: Any) -> None:
        super().handle_exit(sig, frame)
        gevent.spawn(self._send_callers_away)  # nothing in a signal handler may block

    def _send_callers_away(self) -> None:
        self.app.room.close()
        for client in self._idle:
            _end_reading(client)


def _end_reading(client: socket.socket) -> None:
    """Have whoever reads read the end, as if the other side had closed: nobody waits for a next request.

    gevent's own shutdown() would raise an error there instead.
    """
    plain = monkey.get_original("socket", "socket")
    with suppress(OSError), plain(fileno=os.dup(client.fileno())) as line:  # OSError: it is closed already
        line.shutdown(socket.SHUT_RD)


def serve(settings: Settings, *, bind: str) -> None:
    raise_open_files_limit()
    Server(settings, bind=bind).run()


def raise_open_files_limit() -> None:
    """Take all that the system allows: the usual soft limit of 1,024 is fewer than the calls that wait."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
