"""What people did to the house: written in the transaction that does it, read by the page of the audit."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import exists, func, insert, literal, select
from sqlalchemy.orm import Session

from core.orm import AuditEntry, User

# Who acts at the command line, and who was not let in.
CLI, STRANGER = "cli", "stranger"
REFUSED = "user.refused"
# What strangers can do as often as they like is said so often.
REFUSED_EVERY = timedelta(hours=1)


def record(  # noqa: PLR0913 - who, what, to what, why, and with what
    session: Session,
    *,
    actor: str,
    action: str,
    subject: str,
    why: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Say who did what: `action` as verb and noun with a dot, `provider.pause`; `subject` as noun and name.

    `detail` is what it was done with; no secrets.
    """
    entry = {"actor": actor, "action": action, "subject": subject, "why": why or None}
    session.execute(insert(AuditEntry).values(**entry, detail=dict(detail) if detail else None))


def by_command(session: Session, action: str, subject: str, **detail: str) -> None:
    """Say what was done at the command line."""
    record(session, actor=CLI, action=action, subject=subject, detail=detail)


def record_refusal(session: Session, name: str, *, address: str) -> None:
    """Say that somebody at that address was not let in as the user of this name, where there is one.

    Once in a while, however often it happens. It is one statement whatever the name: what it takes tells nobody
    whether that is a user's.
    """
    subject = f"user {name}"
    is_known = exists().where(User.name == name, User.disabled_at.is_(None))
    was_said = exists().where(
        AuditEntry.subject == subject,
        AuditEntry.action == REFUSED,
        AuditEntry.at > func.clock_timestamp() - REFUSED_EVERY,
    )
    detail = literal({"address": address}, AuditEntry.detail.type)
    entry = select(literal(STRANGER), literal(REFUSED), literal(subject), detail).where(is_known, ~was_said)
    session.execute(insert(AuditEntry).from_select(["actor", "action", "subject", "detail"], entry))


def page(
    session: Session,
    *,
    before: int | None = None,
    subject: str | None = None,
    actor: str | None = None,
    limit: int,
) -> Sequence[AuditEntry]:
    """Newest first; those before the entry `before`."""
    entries = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit)
    if before is not None:
        entries = entries.where(AuditEntry.id < before)
    if subject is not None:
        entries = entries.where(AuditEntry.subject == subject)
    if actor is not None:
        entries = entries.where(AuditEntry.actor == actor)
    return session.scalars(entries).all()
