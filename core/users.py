"""Who may sign in at the dashboard: users, roles, passwords, and the browsers that are signed in."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

from sqlalchemy import delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from werkzeug.security import check_password_hash, generate_password_hash

from core import audit
from core.errors import DarkroomError
from core.orm import SignIn, User
from core.states import Role

SHORTEST_PASSWORD = 12
SEEN_EVERY = timedelta(minutes=1)
# With its cost, so that whoever asks for a name that is nobody's waits as long for the answer.
_METHOD = "scrypt:32768:8:1"
_NOBODYS = f"{_METHOD}$nobody$"


class UserRefused(DarkroomError):
    """A user's name or password does not do. `args` holds why, in words for whoever typed it."""


@dataclass(frozen=True, slots=True)
class NewSignIn:
    """What a browser keeps, and what its forms carry; neither can be told again."""

    token: str
    form_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """Who is behind a request of a browser."""

    user_id: UUID
    name: str
    role: Role
    form_token: str


def create(session: Session, name: str, role: Role, password: str) -> User:
    """Raises UserRefused."""
    if not name.strip() or name != name.strip():
        raise UserRefused("a name is needed, without spaces around it")
    if name in {audit.CLI, audit.STRANGER}:
        raise UserRefused(f"the audit calls somebody else {name}")
    made: User | None = session.scalar(
        insert(User)
        .values(name=name, role=role, password=_hashed(password))
        .on_conflict_do_nothing(index_elements=["name"])
        .returning(User)
    )
    if made is None:
        raise UserRefused(f"there is a user {name} already")
    return made


def named(session: Session, name: str) -> User | None:
    """Whoever may sign in by this name."""
    return session.scalar(select(User).where(User.name == name, User.disabled_at.is_(None)))


def is_password(user: User | None, password: str) -> bool:
    """Whether it is the user's; as slow where there is none.

    It keeps a processor busy for a tenth of a second: nothing for inside a transaction.
    """
    return check_password_hash(user.password if user else _NOBODYS, password)


def change_password(session: Session, name: str, password: str) -> bool:
    """Whoever is signed in as this user has to do so anew. False where there is none. Raises UserRefused."""
    changed = _change(session, name, password=_hashed(password))
    if changed:
        _sign_out_everywhere(session, name)
    return changed


def set_role(session: Session, name: str, role: Role) -> bool:
    """Holds from the next request on. False where there is no such user."""
    return _change(session, name, role=role)


def disable(session: Session, name: str) -> bool:
    """Shut a user out, at once and everywhere. False where there is none."""
    changed = _change(session, name, disabled_at=func.coalesce(User.disabled_at, func.now()))
    _sign_out_everywhere(session, name)
    return changed


def enable(session: Session, name: str) -> bool:
    """Let a user in again. False where there is none."""
    return _change(session, name, disabled_at=None)


def every(session: Session) -> Sequence[User]:
    """All users there ever were, by name."""
    return session.scalars(select(User).order_by(User.name)).all()


def sign_in(session: Session, user: User, *, seconds: float) -> NewSignIn:
    """Let a browser act as this user for so long.

    Raises UserRefused where another password was set meanwhile, or the user shut out. Those wait for a sign-in
    that is under way, and it for them: none outlives what ends it.
    """
    signed_in = NewSignIn(token=secrets.token_urlsafe(32), form_token=secrets.token_urlsafe(32))
    row = (
        select(
            literal(_hash(signed_in.token)),
            User.id,
            literal(signed_in.form_token),
            func.now() + timedelta(seconds=seconds),
        )
        .where(User.id == user.id, User.password == user.password, User.disabled_at.is_(None))
        .with_for_update(read=True)
    )
    made = insert(SignIn).from_select(["hash", "user_id", "form_token", "expires_at"], row)
    if session.execute(made.returning(SignIn.user_id)).one_or_none() is None:
        raise UserRefused("the user has changed meanwhile")
    return signed_in


def find(session: Session, token: str) -> SignedIn | None:
    """Who signed in with this browser; None where its time is over, or the user was shut out."""
    mine = SignIn.hash == _hash(token)
    row = session.execute(
        select(User.id, User.name, User.role, SignIn.form_token, SignIn.seen_at < func.now() - SEEN_EVERY)
        .join_from(SignIn, User, User.id == SignIn.user_id)
        .where(mine, SignIn.expires_at > func.now(), User.disabled_at.is_(None))
    ).one_or_none()
    if row is None:
        return None
    user_id, name, role, form_token, is_due = row
    if is_due:
        session.execute(update(SignIn).where(mine).values(seen_at=func.now()))
    return SignedIn(user_id=user_id, name=name, role=role, form_token=form_token)


def sign_out(session: Session, token: str) -> None:
    session.execute(delete(SignIn).where(SignIn.hash == _hash(token)))


def forget_expired(session: Session) -> None:
    """Drop the browsers whose time is over."""
    session.execute(delete(SignIn).where(SignIn.expires_at <= func.now()))


def _hashed(password: str) -> str:
    if len(password) < SHORTEST_PASSWORD:
        raise UserRefused(f"a password has at least {SHORTEST_PASSWORD} characters")
    return generate_password_hash(password, method=_METHOD)


def _hash(token: str) -> bytes:
    """A token is 256 random bits: one round of SHA-256 is beyond guessing, and cheap on every request."""
    return sha256(token.encode()).digest()


def _change(session: Session, name: str, **values: object) -> bool:
    changed = update(User).where(User.name == name).values(**values).returning(User.id)
    return session.execute(changed).one_or_none() is not None


def _sign_out_everywhere(session: Session, name: str) -> None:
    of_user = select(User.id).where(User.name == name).scalar_subquery()
    session.execute(delete(SignIn).where(SignIn.user_id == of_user))
