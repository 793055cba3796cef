"""Events on their way to webhooks: claimed by one deliverer at a time, tried until they are told or given up."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, func, literal_column, select, update
from sqlalchemy.orm import Session

from core import webhooks
from core.orm import ApiKey, Delivery, DeliveryTry, Webhook, one_of
from core.outbox import BATCH_EVENT, JOB_EVENT
from core.states import DeliveryState

# A try that no word came of for so long is taken for lost, with its deliverer.
LEASE = timedelta(seconds=60)
MESSAGE = "msg_"

_PENDING = literal_column(one_of("deliveries.state", (DeliveryState.PENDING,)), Boolean)
# Those that share a lane share a receiver, or a key at least: one that is slow takes nobody's place but theirs.
_LANE = func.coalesce(Delivery.webhook_id, Delivery.key_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A try at telling an event, its number being `tries`; all `secrets` sign. If `moot`, nobody is told."""

    delivery_id: UUID
    key_id: UUID
    webhook_id: UUID | None
    lane: UUID
    tries: int
    url: str
    event: str
    subject: dict[str, str]
    happened_at: datetime
    moot: str | None
    secrets: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a try: a status, and, where it is not told, the `fault`."""

    seconds: float
    status: int | None
    fault: str | None


def claim(
    session: Session, *, most: int, busy_lanes: Collection[UUID] = (), busy_keys: Collection[UUID] = ()
) -> list[Claim]:
    """Take up what is due, the longest due first, but nothing of what is busy."""
    free = (_LANE.not_in(busy_lanes), Delivery.key_id.not_in(busy_keys))
    due = (
        select(Delivery.id)
        .where(_PENDING, Delivery.due_at <= func.now(), *free)
        .order_by(Delivery.due_at)
        .limit(most)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    current = select(Webhook.url).where(Webhook.id == Delivery.webhook_id).scalar_subquery()
    claimed = session.scalars(
        update(Delivery)
        .where(Delivery.id == due.c.id)
        .values(
            tries=Delivery.tries + 1,
            due_at=func.clock_timestamp() + LEASE,
            url=func.coalesce(current, Delivery.url),
        )
        .returning(Delivery.id)
        .execution_options(synchronize_session=False)
    ).all()
    found = (
        select(Delivery, Webhook, ApiKey.hash, _LANE.label("lane"))
        .join(ApiKey, ApiKey.id == Delivery.key_id)
        .outerjoin(Webhook, Webhook.id == Delivery.webhook_id)
        .where(Delivery.id.in_(claimed))
    )
    return [_claim(row) for row in session.execute(found)] if claimed else []


def _claim(row: Any) -> Claim:
    delivery, webhook = row.Delivery, row.Webhook
    return Claim(
        delivery_id=delivery.id,
        key_id=delivery.key_id,
        webhook_id=delivery.webhook_id,
        lane=row.lane,
        tries=delivery.tries,
        url=delivery.url,
        event=delivery.event,
        subject=_subject(delivery),
        happened_at=delivery.created_at,
        moot=_moot(delivery, webhook) if webhook else None,
        secrets=_secrets(webhook) if webhook else (webhooks.secret_of_key(row.hash),),
    )


def _subject(delivery: Delivery) -> dict[str, str]:
    """What the event is about, and what has become of it."""
    if delivery.job_id:
        status = delivery.event.removeprefix(JOB_EVENT)
        return {"id": str(delivery.job_id), "object": "image.generation.job", "status": status}
    if delivery.batch_id:
        return {"id": delivery.batch_id, "object": "batch", "status": delivery.event.removeprefix(BATCH_EVENT)}
    return {"id": str(delivery.webhook_id), "object": "webhook"}


def _moot(delivery: Delivery, webhook: Webhook) -> str | None:
    """What settles in the moment in which its webhook is disabled may be owed all the same: it ends here."""
    if webhook.deleted_at:
        return "the webhook was deleted"
    return "the webhook is disabled" if webhook.disabled_at and not delivery.by_hand else None


def _secrets(webhook: Webhook) -> tuple[str, ...]:
    """The newest first."""
    if webhook.old_secret and webhook.old_secret_until and webhook.old_secret_until > datetime.now(UTC):
        return webhook.secret, webhook.old_secret
    return (webhook.secret,)


def succeed(session: Session, claim: Claim, outcome: Outcome) -> None:
    _end(session, claim, outcome, DeliveryState.DELIVERED)


def retry_later(session: Session, claim: Claim, outcome: Outcome, *, delay: timedelta) -> None:
    _note(session, claim, outcome)
    _move(session, claim, due_at=func.clock_timestamp() + delay)


def give_up(session: Session, claim: Claim, outcome: Outcome, *, gone: bool) -> None:
    """Whoever is `gone` for good is told nothing any more."""
    if gone and claim.webhook_id:  # first: whoever changes a webhook locks it before its deliveries
        webhooks.disable(session, claim.webhook_id, url=claim.url)
    _end(session, claim, outcome, DeliveryState.FAILED)


def _end(session: Session, claim: Claim, outcome: Outcome, state: DeliveryState) -> None:
    _note(session, claim, outcome)
    _move(session, claim, state=state, ended_at=func.clock_timestamp())


def _note(session: Session, claim: Claim, outcome: Outcome) -> None:
    session.add(
        DeliveryTry(
            delivery_id=claim.delivery_id, seconds=outcome.seconds, status=outcome.status, fault=outcome.fault
        )
    )


def _move(session: Session, claim: Claim, **values: Any) -> None:
    """Only of the newest try: one that comes late changes nothing."""
    mine = (Delivery.id == claim.delivery_id, Delivery.tries == claim.tries, _PENDING)
    session.execute(update(Delivery).where(*mine).values(**values).execution_options(synchronize_session=False))


def exists(session: Session, delivery_id: UUID) -> bool:
    return session.get(Delivery, delivery_id) is not None


def redeliver(session: Session, delivery_id: UUID) -> None:
    """Try it once more, now. Of one that was given up this is the only further try."""
    now = {"state": DeliveryState.PENDING, "due_at": func.clock_timestamp(), "ended_at": None}
    session.execute(update(Delivery).where(Delivery.id == delivery_id).values(**now, by_hand=True))


def message_id(delivery_id: UUID) -> str:
    """The name of an event that its receiver sees: the same at every try."""
    return f"{MESSAGE}{delivery_id}"
