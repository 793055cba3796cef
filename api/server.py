"""gunicorn with gevent around the app: a waiting call costs a greenlet, not a thread."""

import math
import os
import resource
import socket
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import gevent
from gevent import monkey
from gevent.event import Event
from gevent.pool import Pool
from gevent.server import StreamServer
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.workers.ggevent import GeventWorker

from api.metrics import sharing
from core import logs
from core.settings import Settings

if TYPE_CHECKING:
    from flask import Flask

    from api.waiting import WaitingRoom

# Calls that one process holds at once; a waiting call is one open file as well.
CONNECTIONS = 10_000
NOTIFY_SECONDS = 1.0
# A line that has been silent for so long is tried, and given up after so many tries at this distance: a caller
# whose machine or network went away is noticed within a minute.
KEEP_ALIVE = {socket.TCP_KEEPIDLE: 30, socket.TCP_KEEPINTVL: 10, socket.TCP_KEEPCNT: 3}


class Server(BaseApplication):  # type: ignore[misc] # gunicorn is untyped
    """gunicorn, configured here and nowhere else; WEB_CONCURRENCY sets the number of its processes."""

    room: "WaitingRoom"

    def __init__(self, settings: Settings, *, bind: str) -> None:
        self.settings = settings
        self._bind = bind
        super().__init__()

    def load_config(self) -> None:
        options = {
            "bind": self._bind,
            "worker_class": Worker,
            "worker_connections": CONNECTIONS,
            "backlog": 4096,
            "graceful_timeout": math.ceil(self.settings.drain_seconds) + 1,  # a process ends by itself before
            "keepalive": 75,  # longer than the clients' pools, so that they close first
            "control_socket_disable": True,
            "logger_class": Log,
            "forwarded_allow_ips": "",  # what proxies say is believed in api/app.py, or nowhere
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

        services = assemble(self.settings)
        self.room = WaitingRoom(services.database, services.notifier)
        self.room.open()
        return create_app(services, self.room)


class Log(Logger):  # type: ignore[misc] # gunicorn is untyped
    """What gunicorn has to say, in lines like everybody's."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class Worker(GeventWorker):  # type: ignore[misc] # gunicorn is untyped
    """Told to stop, has load balancers look elsewhere, then sends its callers away.

    They come back to another process, which finds their jobs.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._idle: set[socket.socket] = set()
        self._told_to_stop = Event()

    def run(self) -> None:
        # gunicorn's own takes a second or two to notice that it is to stop.
        servers = [self._serve(listener) for listener in self.sockets]
        while not self._told_to_stop.wait(NOTIFY_SECONDS):
            self.notify()
        self._drain(servers, self.app.settings.drain_seconds)
        self.app.room.receipts.flush()  # by now the last answers have left

    def _serve(self, listener: Any) -> StreamServer:
        server = StreamServer(listener, handle=partial(self.handle, listener), spawn=Pool(CONNECTIONS))
        if self.cfg.workers > 1:
            server.max_accept = 1  # or one process would take all that come at once
        server.start()
        return server

    def _drain(self, servers: list[StreamServer], seconds: float) -> None:
        """Half of the time for whoever sends requests to notice, half for the answers of those that are here."""
        self.app.room.closes_soon = True
        gevent.sleep(seconds / 2)
        self.alive = False  # each connection is closed after its answer
        self.app.room.close()
        for server in servers:
            server.close()
        for client in self._idle:
            _end_reading(client)
        with gevent.Timeout(seconds / 2, False):  # False: without raising it
            for server in servers:
                server.pool.join()

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

    def handle_exit(self, sig: int, frame: Any) -> None:  # noqa: ARG002 - gunicorn's own signature
        self._told_to_stop.set()


def _end_reading(client: socket.socket) -> None:
    """Have whoever reads read the end, as if the other side had closed: nobody waits for a next request.

    gevent's own shutdown() would raise an error there instead.
    """
    plain = monkey.get_original("socket", "socket")
    with suppress(OSError), plain(fileno=os.dup(client.fileno())) as line:  # OSError: it is closed already
        line.shutdown(socket.SHUT_RD)


def serve(settings: Settings, *, bind: str) -> None:
    logs.configure()
    raise_open_files_limit()
    Server(settings, bind=bind).run()


def raise_open_files_limit() -> None:
    """Take all that the system allows: the usual soft limit of 1,024 is fewer than the calls that wait."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
