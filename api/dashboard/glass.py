"""What pages show, read once for all who look: ten open dashboards cost the database as much as one."""

import time
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, TypeVar

# As old as what is shown may be; and how many different views are kept.
FRESH_SECONDS = 2.0
MOST_VIEWS = 200

T = TypeVar("T")


class Glass:
    """Remembers for a moment what was read. Whoever asks while it is being read waits for it."""

    def __init__(self, seconds: float = FRESH_SECONDS) -> None:
        self._seconds = seconds
        self._views: dict[Hashable, _View] = {}
        self._lock = Lock()

    def look(self, what: Hashable, read: Callable[[], T]) -> T:
        """What `read` returned at most so many seconds ago; `what` names it, with all that it depends on."""
        with self._lock:
            if len(self._views) >= MOST_VIEWS:
                self._views.clear()
            view = self._views.setdefault(what, _View())
        with view.lock:
            if time.monotonic() >= view.until:
                view.value = read()
                view.until = time.monotonic() + self._seconds
            value: T = view.value
            return value


class _View:
    def __init__(self) -> None:
        self.lock = Lock()
        self.until = 0.0
        self.value: Any = None
