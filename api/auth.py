"""Who is calling: the bearer key of a request becomes a Caller."""

import time

from flask import Request

from core import keys
from core.database import UNAVAILABLE, Database
from core.errors import KeyMissing, KeyUnknown, NotAdmin
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
        key = _key_of(request)
        caller, until = self._believed.get(key, (None, 0.0))
        if caller and time.monotonic() < until:
            return caller
        return self._look_up(key)

    def admit_admin(self, request: Request) -> Caller:
        """Raises NotAdmin, and what `authenticate` does."""
        caller = self.authenticate(request)
        if not caller.admin:
            raise NotAdmin
        return caller

    def admit_scraper(self, request: Request) -> Caller:
        """An admin; while the database is away also who was one before: that it is away has to be told."""
        try:
            return self.admit_admin(request)
        except UNAVAILABLE:
            known, _ = self._believed.get(_key_of(request), (None, 0.0))
            if known is None or not known.admin:
                raise
            return known

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


def _key_of(request: Request) -> str:
    """Raises KeyMissing."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    key = key.strip()
    if scheme.lower() != "bearer" or not key:
        raise KeyMissing
    return key
