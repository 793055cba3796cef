"""The account a Stability key belongs to: its credits, and the 150 requests in 10 seconds it may make."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from flask import Response, jsonify, request

from sandbox.simulators.control import Control, ControlError
from sandbox.simulators.stability_models import CREDITS

PLENTY = 1_000_000.0
MOST_REQUESTS = 150
WINDOW_SECONDS = 10
LOCK_SECONDS = 60


class RateLimit:
    """Whoever asks too often is locked out, whether or not they wait in between."""

    def __init__(self) -> None:
        self._asked: deque[float] = deque()
        self._locked_until = 0.0

    def allows(self, now: float) -> bool:
        """Count a request at this time; seconds since 1970."""
        if now < self._locked_until:
            return False
        while self._asked and self._asked[0] <= now - WINDOW_SECONDS:
            self._asked.popleft()
        if len(self._asked) == MOST_REQUESTS:
            self._locked_until = now + LOCK_SECONDS
            return False
        self._asked.append(now)
        return True


@dataclass
class Account(Control):
    """A simulator's state to which credits belong: every charge lowers them by its model's price."""

    granted: float = PLENTY
    rate_limit: RateLimit = field(default_factory=RateLimit)

    @property
    def balance(self) -> float:
        return self.granted - self._spent

    @balance.setter
    def balance(self, left: float) -> None:
        self.granted = left + self._spent

    @property
    def _spent(self) -> float:
        return sum(CREDITS[charge.model] for charge in self.charges)

    def reset(self) -> None:
        super().reset()
        self.granted, self.rate_limit = PLENTY, RateLimit()

    def state(self) -> dict[str, Any]:
        return {**super().state(), "credits": self.balance}

    def set_credits(self) -> Response:
        """Serve the control's address for it."""
        wanted = request.get_json(silent=True)
        match wanted:
            case {"credits": int() | float() as left} if left >= 0:
                self.balance = float(left)
                return jsonify(self.state())
            case _:
                raise ControlError('the body must be {"credits": number}, and not below 0')
