"""Who calls: API keys, shown once when they are made and kept as hashes."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session

from core.orm import ApiKey


@dataclass(frozen=True, slots=True)
class Caller:
    """The owner of a valid API key, and what the key may; a limit of None does not limit."""

    key_id: UUID
    name: str
    models: tuple[str, ...] | None = None
    requests_per_minute: int | None = None
    pictures_per_minute: int | None = None
    reattaches: bool = True


def _hash(key: str) -> bytes:
    """A key is 256 random bits: one round of SHA-256 is beyond guessing, and cheap on every call."""
    return sha256(key.encode()).digest()


def create(session: Session, name: str) -> str:
    """Make a key and return it; it cannot be shown again."""
    key = f"sk-darkroom-{secrets.token_urlsafe(32)}"
    session.add(ApiKey(name=name, hash=_hash(key), hint=key[-4:]))
    return key


_FIND = select(ApiKey.id, ApiKey.name).where(ApiKey.hash == bindparam("hash"), ApiKey.revoked_at.is_(None))


def find(session: Session, key: str) -> Caller | None:
    """The caller whose key this is; None where it was never made, or was revoked."""
    row = session.execute(_FIND, {"hash": _hash(key)}).one_or_none()
    return Caller(row.id, row.name) if row else None


def every(session: Session) -> Sequence[ApiKey]:
    """All keys ever made, oldest first."""
    return session.scalars(select(ApiKey).order_by(ApiKey.id)).all()


def revoke(session: Session, key_id: UUID) -> bool:
    """Shut a key out from now on. False where there is no such key in force."""
    revoked = session.execute(
        update(ApiKey)
        .where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None))
        .values(revoked_at=func.now())
        .returning(ApiKey.id)
    )
    return revoked.one_or_none() is not None
