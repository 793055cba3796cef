"""Look-ups of names that callers choose: each ends in time for who asked, however long a name server is silent.

No resolver can be interrupted. A look-up that hangs is left behind in its thread, and there is room for so many.
"""

import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import BoundedSemaphore, Thread

# Two for each try that may be under way: the second, while one that was left behind has not ended.
MOST_AT_ONCE = 128

Resolve = Callable[[str, int], Sequence[str]]


def resolve(host: str, port: int) -> Sequence[str]:
    """The IP addresses of a host, the preferred ones first. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Lookups:
    """Thread-safe."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._places = BoundedSemaphore(MOST_AT_ONCE)

    def find(self, host: str, port: int, *, deadline: float) -> Sequence[str]:
        """Until a moment of `time.monotonic()`. Raises OSError, a TimeoutError when the moment has come."""
        if not self._places.acquire(timeout=_left(deadline)):
            raise TimeoutError
        found: Future[Sequence[str]] = Future()
        Thread(target=self._look_up, args=(host, port, found), name="look-up", daemon=True).start()
        return found.result(_left(deadline))

    def _look_up(self, host: str, port: int, found: Future[Sequence[str]]) -> None:
        try:
            found.set_result(self._resolve(host, port))
        except Exception as error:  # noqa: BLE001 - it is raised to whoever asked
            found.set_exception(error)
        finally:
            self._places.release()


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
