"""Free loopback ports for the sandbox's servers."""

import random
import socket
from collections.abc import Container

# SeaweedFS takes port + 10000 for gRPC; both stay below the range the kernel gives to outgoing connections.
_FIRST, _LAST, GRPC_OFFSET = 12_000, 21_999, 10_000


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # A listener still refuses us; only connections in TIME_WAIT from an earlier run do not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def is_free_with_grpc(port: int) -> bool:
    return is_free(port) and is_free(port + GRPC_OFFSET)


def choose(taken: Container[int]) -> int:
    """A port that is free together with its gRPC twin, and for the next minute nobody else's choice.

    At random, not the first free one: two sandboxes that start at the same moment would try the same.
    """
    candidates = random.sample(range(_FIRST, _LAST + 1), k=_LAST - _FIRST + 1)
    return next(port for port in candidates if port not in taken and _reserve(port, port + GRPC_OFFSET))


def _reserve(*ports: int) -> bool:
    return all(map(_leave_waiting, ports))


def _leave_waiting(port: int) -> bool:
    """Close a connection there: while it is in TIME_WAIT a server may listen, but who chooses may not bind."""
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # inherited by what it accepts
        listener.listen()
        with socket.create_connection(("127.0.0.1", port)):
            listener.accept()[0].close()  # the end that closes first is the one that waits
    return True
