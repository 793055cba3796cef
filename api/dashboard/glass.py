"""What pages show, read once for all who look: ten open dashboards cost the database as much as one."""

import math
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock
from typing import Any, TypeVar

# As old as what is shown may be.
FRESH_SECONDS = 2.0

T = TypeVar("T")


class Glass:
    """Remembers for a moment what was read. Whoever asks while it is being read gets what comes of that."""

    def __init__(self, seconds: float = FRESH_SECONDS) -> None:
        self._seconds = seconds
        self._views: dict[Hashable, _View] = {}
        self._lock = Lock()

    def look(self, what: Hashable, read: Callable[[], T]) -> T:
        """What `read` returned at most so many seconds ago; `what` names it, with all that it depends on.

        Raises what `read` raises, to all who waited for it: a database that is slow is not asked by each in turn.
        """
        view, is_new = self._find(what)
        value: T = view.read(read, self._seconds) if is_new else view.outcome.result()
        return value

    def forget(self) -> None:
        """Something was done: whoever looks from now on is to see what came of it."""
        with self._lock:
            self._views = {}

    def _find(self, what: Hashable) -> tuple["_View", bool]:
        """A view, and whether it is yet to be read, by whoever asked."""
        now = time.monotonic()
        with self._lock:
            view = self._views.get(what)
            if view and view.is_wanted(now):
                return view, False
            # Those that are old are let go: they may be large.
            self._views = {name: view for name, view in self._views.items() if view.is_wanted(now)}
            view = self._views[what] = _View()
            return view, True


class _View:
    def __init__(self) -> None:
        self.outcome: Future[Any] = Future()
        self._until = math.inf  # being read

    def read(self, read: Callable[[], T], seconds: float) -> T:
        try:
            value = read()
        except BaseException as error:
            self._until = -math.inf
            self.outcome.set_exception(error)
            raise
        self._until = time.monotonic() + seconds
        self.outcome.set_result(value)
        return value

    def is_wanted(self, now: float) -> bool:
        return now < self._until
