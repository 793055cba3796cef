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
    """A port that is free together with its gRPC twin.

    Chosen at random, not the first free one: two sandboxes that start at the same moment must not agree.
    """
    candidates = random.sample(range(_FIRST, _LAST + 1), k=_LAST - _FIRST + 1)
    return next(port for port in candidates if port not in taken and is_free_with_grpc(port))
