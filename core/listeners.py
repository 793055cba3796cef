"""Webhooks of everybody as operators look at them: who listens, what is owed, how the latest tries went."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import delivery_reports
from core.delivery_reports import History
from core.orm import ApiKey, Delivery, Webhook
from core.states import DeliveryState

MOST = 300
# How many of the latest deliveries are looked at, so that a page costs the same at any number.
LOOKED_AT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A webhook, whose it is, and what came of the latest deliveries to it."""

    webhook: Webhook
    key: str
    delivered: int
    failed: int
    pending: int


@dataclass(frozen=True, slots=True)
class Debt:
    """How many deliveries are yet to be made (up to LOOKED_AT), and for how long the first of them is overdue."""

    pending: int
    lag: timedelta


def every(session: Session) -> list[Listener]:
    """Those that failed most come first."""
    latest = select(Delivery.webhook_id, Delivery.state).order_by(Delivery.id.desc()).limit(LOOKED_AT).subquery()
    counts = {
        state: func.count().filter(latest.c.state == state).label(state)
        for state in (DeliveryState.DELIVERED, DeliveryState.FAILED, DeliveryState.PENDING)
    }
    told = select(latest.c.webhook_id, *counts.values()).group_by(latest.c.webhook_id).subquery("told")
    found = (
        select(Webhook, ApiKey.name, *(func.coalesce(told.c[state], 0).label(state) for state in counts))
        .join(ApiKey, ApiKey.id == Webhook.key_id)
        .outerjoin(told, told.c.webhook_id == Webhook.id)
        .where(Webhook.deleted_at.is_(None))
        .order_by(func.coalesce(told.c.failed, 0).desc(), ApiKey.name, Webhook.id)
        .limit(MOST)
    )
    return [
        Listener(webhook=row[0], key=row[1], delivered=row.delivered, failed=row.failed, pending=row.pending)
        for row in session.execute(found)
    ]


def latest(
    session: Session, *, state: DeliveryState | None = None, webhook_id: UUID | None = None, limit: int
) -> Sequence[History]:
    """Of the latest LOOKED_AT deliveries, newest first."""
    newest = select(Delivery.id).order_by(Delivery.id.desc()).limit(LOOKED_AT).subquery()
    found = select(Delivery).where(Delivery.id.in_(select(newest.c.id))).order_by(Delivery.id.desc()).limit(limit)
    if state is not None:
        found = found.where(Delivery.state == state)
    if webhook_id is not None:
        found = found.where(Delivery.webhook_id == webhook_id)
    return delivery_reports.with_tries(session, session.scalars(found))


def one(session: Session, webhook_id: UUID) -> Webhook | None:
    """A webhook that is not deleted."""
    return session.scalars(
        select(Webhook).where(Webhook.id == webhook_id, Webhook.deleted_at.is_(None))
    ).one_or_none()


def debt(session: Session) -> Debt:
    """What is owed now."""
    due = select(Delivery.due_at).where(Delivery.state == DeliveryState.PENDING).order_by(Delivery.due_at)
    some = due.limit(LOOKED_AT).subquery()
    pending, first = session.execute(select(func.count(), func.min(some.c.due_at))).one()
    now = session.execute(select(func.clock_timestamp())).scalar_one()
    return Debt(pending, max(now - first, timedelta()) if first else timedelta())
