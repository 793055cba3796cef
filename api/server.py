"""gunicorn with gevent around the app: a waiting call costs a greenlet, not a thread."""

import resource
from typing import TYPE_CHECKING

from gunicorn.app.base import BaseApplication

from core import logs
from core.settings import Settings

if TYPE_CHECKING:
    from flask import Flask

# Calls that one process holds at once; a waiting call is one open file as well.
CONNECTIONS = 10_000
DRAIN_SECONDS = 3


class Server(BaseApplication):  # type: ignore[misc] # gunicorn is untyped
    """gunicorn, configured here and nowhere else; WEB_CONCURRENCY sets the number of its processes."""

    def __init__(self, settings: Settings, *, bind: str) -> None:
        self._settings = settings
        self._bind = bind
        super().__init__()

    def load_config(self) -> None:
        options = {
            "bind": self._bind,
            "worker_class": "gevent",
            "worker_connections": CONNECTIONS,
            "backlog": 4096,
            "graceful_timeout": DRAIN_SECONDS,
            "keepalive": 75,  # longer than the clients' pools, so that they close first
            "control_socket_disable": True,
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
        room = WaitingRoom(services.database, services.notifier)
        room.open()
        return create_app(services, room)


def serve(settings: Settings, *, bind: str) -> None:
    raise_open_files_limit()
    Server(settings, bind=bind).run()


def raise_open_files_limit() -> None:
    """Take all that the system allows: the usual soft limit of 1,024 is fewer than the calls that wait."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
