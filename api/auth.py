"""Who is calling: the bearer key of a request becomes a Caller."""

from flask import Request

from core import keys
from core.database import Database
from core.errors import KeyMissing, KeyUnknown
from core.keys import Caller


def authenticate(request: Request, database: Database) -> Caller:
    """Raises KeyMissing or KeyUnknown."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    key = key.strip()
    if scheme.lower() != "bearer" or not key:
        raise KeyMissing
    with database.single() as session:
        caller = keys.find(session, key)
    if caller is None:
        raise KeyUnknown(key)
    return caller
