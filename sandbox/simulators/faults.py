"""Breaks answers on their way to the client; the same for every provider."""

import errno
import socket
import struct
from collections.abc import Iterator
from typing import Any

import gevent
from flask import Response
from gevent.socket import wait_read

SOCKET = "simulator.socket"  # the server's handler puts the connection here, see serve.py
DROP = "drop"
DROP_BEFORE = "drop_before"
SLOW_BODY = "slow_body"
GARBAGE = "garbage"
TRUNCATED = "truncated"
WRONG_SIZE = "wrong_size"
EMPTY = "empty"
HANG = "hang"
FAULTS = (DROP, DROP_BEFORE, SLOW_BODY, GARBAGE, TRUNCATED, WRONG_SIZE, EMPTY, HANG)

SLOW_PIECES = 20
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def drop(environ: dict[str, Any]) -> Response:
    """Reset the connection without a byte of answer."""
    return Response(_reset(environ))


def hang(environ: dict[str, Any], seconds: float) -> Response:
    """Answer nothing until the client goes away or the time is up; then reset."""
    connection = environ.get(SOCKET)
    if connection is not None:
        # The request was read whole: the connection becomes readable again only when the client closes it.
        with gevent.Timeout(seconds, exception=False):
            wait_read(connection.fileno())
    return drop(environ)


def slow_body(answer: Response, seconds: float) -> Response:
    """Send the headers and a first byte at once, the rest in pieces over so many seconds."""
    body = answer.get_data()
    slow = Response(_trickle(body, seconds), answer.status_code, content_type=answer.content_type)
    slow.headers["Content-Length"] = str(len(body))
    return slow


def garbage() -> Response:
    return Response(b'{"created": 17, "data": [<<<', content_type="application/json")


def _reset(environ: dict[str, Any]) -> Iterator[bytes]:
    connection = environ.get(SOCKET)
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    yield from ()
    # The server takes this for a client that went away: it closes the connection and logs nothing.
    raise ConnectionResetError(errno.ECONNRESET, "dropped on purpose")


def _trickle(body: bytes, seconds: float) -> Iterator[bytes]:
    yield body[:1]
    step = max(1, -(-len(body) // SLOW_PIECES))
    for start in range(1, len(body), step):
        gevent.sleep(seconds / SLOW_PIECES)
        yield body[start : start + step]
