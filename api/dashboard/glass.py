"""What pages show, read once for all who look: ten open dashboards cost the database as much as one."""

import time
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, TypeVar

# As old as what is shown may be.
FRESH_SECONDS = 2.0

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
            view = self._views.get(what) or self._begin(what)
        with view.lock:
            if time.monotonic() >= view.until:
                view.value = read()
                view.until = time.monotonic() + self._seconds
            value: T = view.value
            return value

    def forget(self) -> None:
        """Something was done: whoever looks from now on is to see what came of it."""
        with self._lock:
            self._views = {}

    def _begin(self, what: Hashable) -> "_View":
        """A view that is yet to be read. Those that are old are let go: they may be large."""
        now = time.monotonic()
        self._views = {name: view for name, view in self._views.items() if view.is_wanted(now)}
        view = self._views[what] = _View()
        return view


class _View:
    def __init__(self) -> None:
        self.lock = Lock()
        self.until = 0.0
        self.value: Any = None

    def is_wanted(self, now: float) -> bool:
        return self.lock.locked() or now < self.until
