"""Serves simulators; each from a single process, so that what it counts is one truth."""

import argparse
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

import gevent
from flask import Flask
from gevent.pywsgi import WSGIHandler, WSGIServer

from sandbox.simulators import bfl, faults, midjourney, openai, stability

APPS: dict[str, Callable[[str | None], Flask]] = {
    "openai": openai.create_app,
    "stability": stability.create_app,
    "bfl": bfl.create_app,
    "midjourney": midjourney.create_app,
}
BACKLOG = 2048  # a thousand callers may knock at the same moment


class Handler(WSGIHandler):  # type: ignore[misc]  # gevent has no types
    """Lets the application reach its connection, so that it can break it."""

    def handle(self) -> None:
        # Head and body of a small answer are two packets: with Nagle's algorithm the second waits 40 ms.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().handle()

    def get_environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environ()
        environ[faults.SOCKET] = self.socket
        return environ


def main(provider: str, *, port: int, api_key: str | None = None, host: str = "127.0.0.1") -> None:
    """Serve one until SIGTERM or SIGINT; with port 0 on a free one. The address is the first line printed."""
    server = _open(provider, host, port, api_key)
    sys.stdout.write(f"http://{host}:{server.server_port}\n")
    _serve([server])


def serve_all(*, port: int, api_key: str | None = None, host: str = "127.0.0.1") -> None:
    """Serve every provider, on ports that follow one another, and print which is where."""
    servers = [_open(provider, host, port + offset, api_key) for offset, provider in enumerate(APPS)]
    for provider, server in zip(APPS, servers, strict=True):
        sys.stdout.write(f"{provider:12} http://{host}:{server.server_port}\n")
    _serve(servers)


def _open(provider: str, host: str, port: int, api_key: str | None) -> WSGIServer:
    app = APPS[provider](api_key)
    server = WSGIServer((host, port), app, handler_class=Handler, backlog=BACKLOG, log=None)
    server.start()
    return server


def _serve(servers: list[WSGIServer]) -> None:
    for name in (signal.SIGTERM, signal.SIGINT):
        # Nothing here is worth an orderly end, and a request may sleep for minutes.
        gevent.signal_handler(name, os._exit, 0)
    sys.stdout.flush()
    gevent.joinall([gevent.spawn(server.serve_forever) for server in servers])


def _from_command_line() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("provider", choices=sorted(APPS))
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--api-key")
    given = parser.parse_args()
    main(given.provider, port=given.port, api_key=given.api_key)


if __name__ == "__main__":
    _from_command_line()
