"""Who calls, and what they may: API keys, shown once when they are made and kept as hashes."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from uuid import UUID

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session

from core.errors import KeyExpired
from core.orm import ApiKey, Budget


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLimits:
    """What a key may; None does not limit. Caps are dollars, `weight` its share where keys compete.

    An `admin` key reads the figures of the whole house.
    """

    models: tuple[str, ...] | None = None
    requests_per_minute: int | None = None
    pictures_per_minute: int | None = None
    most_in_flight: int | None = None
    cap: Decimal | None = None
    cap_a_day: Decimal | None = None
    cap_a_month: Decimal | None = None
    weight: int = 1
    expires_at: datetime | None = None
    reattaches: bool = True
    admin: bool = False


UNLIMITED = KeyLimits()
# These are on the key's budget, where its intake is counted; all others on the key itself.
OF_BUDGET = {"most_in_flight", "cap", "cap_a_day", "cap_a_month"}


@dataclass(frozen=True, slots=True)
class Caller:
    """The owner of a valid API key, and what the key may; a limit of None does not limit."""

    key_id: UUID
    name: str
    models: tuple[str, ...] | None = None
    requests_per_minute: int | None = None
    pictures_per_minute: int | None = None
    reattaches: bool = True
    admin: bool = False

    def may_use(self, model_id: str) -> bool:
        return self.models is None or model_id in self.models


def _hash(key: str) -> bytes:
    """A key is 256 random bits: one round of SHA-256 is beyond guessing, and cheap on every call."""
    return sha256(key.encode()).digest()


def create(session: Session, name: str, limits: KeyLimits = UNLIMITED, *, secret: str | None = None) -> str:
    """Make a key and return it; it cannot be shown again.

    `secret` is one that its owner has already, from elsewhere. Raises SQLAlchemy's IntegrityError where it is a
    key here as well.
    """
    secret = secret or f"sk-darkroom-{secrets.token_urlsafe(32)}"
    of_key, of_budget = _told_apart(asdict(limits))
    key = ApiKey(name=name, hash=_hash(secret), hint=secret[-4:], **of_key)
    session.add(key)
    session.flush()
    session.execute(update(Budget).where(Budget.key_id == key.id).values(**of_budget))
    return secret


def change(session: Session, key_id: UUID, given: Mapping[str, object]) -> bool:
    """Set those limits of a key that are given, by their names in KeyLimits. False where there is no such key."""
    of_key, of_budget = _told_apart(given)
    if session.get(ApiKey, key_id) is None:
        return False
    if of_key:
        session.execute(update(ApiKey).where(ApiKey.id == key_id).values(**of_key))
    if of_budget:
        session.execute(update(Budget).where(Budget.key_id == key_id).values(**of_budget))
    return True


def _told_apart(limits: Mapping[str, object]) -> tuple[dict[str, object], dict[str, object]]:
    """Those of the key itself, and those of its budget."""
    of_key = {name: value for name, value in limits.items() if name not in OF_BUDGET}
    return of_key, {name: value for name, value in limits.items() if name in OF_BUDGET}


_CALLER = ("id", "name", "models", "requests_per_minute", "pictures_per_minute", "reattaches", "admin")
_FIND = select(
    *(getattr(ApiKey, name) for name in _CALLER), (ApiKey.expires_at <= func.now()).label("expired")
).where(ApiKey.hash == bindparam("hash"), ApiKey.revoked_at.is_(None))


def id_of(session: Session, key: str) -> UUID:
    """Of a key that was made in this transaction, in force or not."""
    return session.scalars(select(ApiKey.id).where(ApiKey.hash == _hash(key))).one()


def find(session: Session, key: str) -> Caller | None:
    """The caller whose key this is; None where it was never made, or was revoked. Raises KeyExpired."""
    row = session.execute(_FIND, {"hash": _hash(key)}).one_or_none()
    if row is None:
        return None
    if row.expired:
        raise KeyExpired
    return Caller(
        key_id=row.id,
        name=row.name,
        models=None if row.models is None else tuple(row.models),
        requests_per_minute=row.requests_per_minute,
        pictures_per_minute=row.pictures_per_minute,
        reattaches=row.reattaches,
        admin=row.admin,
    )


def get(session: Session, key_id: UUID) -> ApiKey | None:
    return session.get(ApiKey, key_id)


def limits_of(key: ApiKey) -> dict[str, object]:
    """Those limits that are on the key itself."""
    return {field.name: getattr(key, field.name) for field in fields(KeyLimits) if field.name not in OF_BUDGET}


def summary(key: ApiKey) -> str:
    """A line for operators; never the key itself."""
    state = "in force"
    if key.revoked_at:
        state = f"revoked {key.revoked_at:%Y-%m-%d %H:%M}"
    elif key.expires_at and key.expires_at <= datetime.now(UTC):
        state = f"expired {key.expires_at:%Y-%m-%d %H:%M}"
    return f"{key.id}  …{key.hint}  {key.created_at:%Y-%m-%d %H:%M}  {state}  {key.name}"


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
