"""Who looks after the house: users, their sign-ins, what they did, and what they had done to many jobs."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from core.orm.base import Base, now, one_of
from core.states import OperationKind, OperationState, Role


class User(Base):
    """Somebody who may sign in at the dashboard. `password` is a scrypt hash with its salt and cost."""

    __tablename__ = "users"
    __table_args__ = (CheckConstraint(one_of("role", Role), name="role"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    name: Mapped[str] = mapped_column(unique=True)
    role: Mapped[Role]
    password: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=now())
    disabled_at: Mapped[datetime | None]


class SignIn(Base):
    """A browser that a user signed in with, until `expires_at`. `hash` is the SHA-256 of its cookie.

    Every form that changes something carries `form_token`: a page from elsewhere cannot know it.
    """

    __tablename__ = "sign_ins"

    hash: Mapped[bytes] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    form_token: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=now())
    seen_at: Mapped[datetime] = mapped_column(server_default=now())
    expires_at: Mapped[datetime]


class AuditEntry(Base):
    """Append-only: who did what to which subject, and why."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_actor", "actor", "id"), Index("ix_audit_subject", "subject", "id"))

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    why: Mapped[str | None]
    detail: Mapped[dict[str, Any] | None]


class Operation(Base):
    """Something that is done to many jobs, one after the other, in the background.

    To those that `selection` names: ids, or a search as its page's address has it. It goes on after `position`,
    the last job that it has done; `total` and `cost` are what was foreseen when it was ordered, in jobs and
    dollars; `reasons` counts, in words, why it was not done to those that were `skipped`; `result` is the object
    in the store that an export was written to.
    """

    __tablename__ = "operations"
    __table_args__ = (
        CheckConstraint(one_of("kind", OperationKind), name="kind"),
        CheckConstraint(one_of("state", OperationState), name="state"),
        Index("ix_operations_at_work", "id", postgresql_where="ended_at IS NULL"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    kind: Mapped[OperationKind]
    state: Mapped[OperationState] = mapped_column(server_default=OperationState.WAITING)
    actor: Mapped[str]
    why: Mapped[str | None]
    selection: Mapped[dict[str, Any]]
    options: Mapped[dict[str, Any]]
    total: Mapped[int]
    cost: Mapped[Decimal] = mapped_column(server_default="0")
    done: Mapped[int] = mapped_column(server_default="0")
    skipped: Mapped[int] = mapped_column(server_default="0")
    reasons: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    position: Mapped[UUID | None]
    result: Mapped[str | None]
    error: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    started_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
