"""Deliveries as the owner of their key reads them: each with all its tries."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.orm import Delivery, DeliveryTry
from core.states import DeliveryState


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Which deliveries are looked for: at most `limit`, older than `after`, with all that is named."""

    limit: int
    after: UUID | None = None
    webhook_id: UUID | None = None
    state: DeliveryState | None = None
    job_id: UUID | None = None
    batch_id: str | None = None


@dataclass(frozen=True, slots=True)
class History:
    """A delivery and its tries, oldest first."""

    delivery: Delivery
    tries: Sequence[DeliveryTry]


def own(session: Session, key_id: UUID, delivery_id: UUID) -> History | None:
    """A delivery, where it is this key's."""
    found = with_tries(
        session, session.scalars(select(Delivery).where(Delivery.key_id == key_id, Delivery.id == delivery_id))
    )
    return found[0] if found else None


def page(session: Session, key_id: UUID, search: Search) -> list[History]:
    """A key's deliveries, newest first; in two statements, whatever their number."""
    found = select(Delivery).where(Delivery.key_id == key_id)
    for column in (Delivery.webhook_id, Delivery.state, Delivery.job_id, Delivery.batch_id):
        if (wanted := getattr(search, column.key)) is not None:
            found = found.where(column == wanted)
    if search.after:
        found = found.where(Delivery.id < search.after)
    return with_tries(session, session.scalars(found.order_by(Delivery.id.desc()).limit(search.limit)))


def with_tries(session: Session, found: Iterable[Delivery]) -> list[History]:
    """All tries of all of them in one statement."""
    deliveries = list(found)
    tries = session.scalars(
        select(DeliveryTry)
        .where(DeliveryTry.delivery_id.in_([delivery.id for delivery in deliveries]))
        .order_by(DeliveryTry.id)
    ).all()
    return [
        History(delivery, [each for each in tries if each.delivery_id == delivery.id]) for delivery in deliveries
    ]
