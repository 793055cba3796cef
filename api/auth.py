"""Who is calling: the bearer key of a request becomes a Caller."""

import time

from flask import Request

from core import keys
from core.database import Database
from core.errors import KeyMissing, KeyUnknown
from core.keys import Caller

# A key that was found is believed for so long: a change, or its end, holds a second later, everywhere.
BELIEF_SECONDS = 1.0
MOST_BELIEVED = 1000


class Gate:
    """Lets callers in by their keys."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._believed: dict[str, tuple[Caller, float]] = {}

    def authenticate(self, request: Request) -> Caller:
        """Raises KeyMissing, KeyUnknown or KeyExpired."""
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        key = key.strip()
        if scheme.lower() != "bearer" or not key:
            raise KeyMissing
        caller, until = self._believed.get(key, (None, 0.0))
        if caller and time.monotonic() < until:
            return caller
        return self._look_up(key)

    def _look_up(self, key: str) -> Caller:
        until = time.monotonic() + BELIEF_SECONDS
        with self._database.single() as session:
            caller = keys.find(session, key)
        if caller is None:
            raise KeyUnknown(key)
        if len(self._believed) >= MOST_BELIEVED:
            self._believed.clear()
        self._believed[key] = caller, until
        return caller
