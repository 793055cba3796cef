"""Where a key's events are told, and the secrets by which a receiver knows that it is us who tells."""

import hmac
import secrets
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, null, select, update
from sqlalchemy.orm import Session

from core.errors import TooManyWebhooks
from core.orm import ApiKey, Delivery, Webhook
from core.outbox import BATCH_EVENT, JOB_EVENT
from core.states import SETTLED, BatchStatus, DeliveryState

PING = "webhook.ping"
ENDS_OF_BATCHES = (BatchStatus.COMPLETED, BatchStatus.FAILED, BatchStatus.CANCELLED, BatchStatus.EXPIRED)
EVENTS = (
    *(f"{JOB_EVENT}{state}" for state in SETTLED),
    *(f"{BATCH_EVENT}{status}" for status in ENDS_OF_BATCHES),
)
MOST_OF_A_KEY = 10
SECRET_BYTES = 32


def _secret(raw: bytes) -> str:
    """As Standard Webhooks writes it."""
    return f"whsec_{b64encode(raw).decode()}"


def secret_of_key(hashed: bytes) -> str:
    """What signs events for the addresses that a key's requests name; derived, hence the same for good."""
    return _secret(hmac.digest(hashed, b"darkroom webhook_url", "sha256"))


def secret_for(session: Session, key_id: UUID) -> str:
    """The same, of a key that there is."""
    return secret_of_key(session.scalars(select(ApiKey.hash).where(ApiKey.id == key_id)).one())


def create(session: Session, key_id: UUID, *, url: str, events: Sequence[str]) -> Webhook:
    """Raises TooManyWebhooks."""
    # One at a time; jobs of the key may still come in.
    session.execute(select(ApiKey.id).where(ApiKey.id == key_id).with_for_update(key_share=True))
    if session.scalars(select(func.count()).select_from(Webhook).where(*_own(key_id))).one() >= MOST_OF_A_KEY:
        raise TooManyWebhooks(MOST_OF_A_KEY)
    secret = _secret(secrets.token_bytes(SECRET_BYTES))
    webhook = Webhook(key_id=key_id, url=url, events=list(events), secret=secret)
    session.add(webhook)
    session.flush()
    return webhook


def own(session: Session, key_id: UUID, webhook_id: UUID) -> Webhook | None:
    return session.scalars(select(Webhook).where(*_own(key_id), Webhook.id == webhook_id)).one_or_none()


def page(session: Session, key_id: UUID, *, limit: int, after: UUID | None) -> Sequence[Webhook]:
    """A key's webhooks, newest first, from behind `after`."""
    found = select(Webhook).where(*_own(key_id)).order_by(Webhook.id.desc()).limit(limit)
    return session.scalars(found.where(Webhook.id < after) if after else found).all()


def change(
    session: Session, key_id: UUID, webhook_id: UUID, given: Mapping[str, Any], *, enabled: bool | None = None
) -> Webhook | None:
    """Set those of `url` and `events` that are given. None where the key has no such webhook."""
    values = dict(given)
    if enabled is not None:
        values["disabled_at"] = null() if enabled else func.coalesce(Webhook.disabled_at, func.now())
    if not values:
        return own(session, key_id, webhook_id)
    changed = _update(session, key_id, webhook_id, values)
    if changed and changed.disabled_at:
        _give_up(session, webhook_id)
    return changed


def rotate(session: Session, key_id: UUID, webhook_id: UUID, *, overlap: timedelta) -> Webhook | None:
    """Give it a new secret; the old one signs as well for as long as `overlap`."""
    values = {
        "secret": _secret(secrets.token_bytes(SECRET_BYTES)),
        "old_secret": Webhook.secret if overlap else null(),
        "old_secret_until": func.now() + overlap if overlap else null(),
    }
    return _update(session, key_id, webhook_id, values)


def delete(session: Session, key_id: UUID, webhook_id: UUID) -> bool:
    """Its history stays, its secrets do not."""
    gone = func.coalesce(Webhook.disabled_at, func.now())
    values = {"deleted_at": func.now(), "disabled_at": gone, "secret": "", "old_secret": null()}
    deleted = _update(session, key_id, webhook_id, values)
    if deleted:
        _give_up(session, webhook_id)
    return deleted is not None


def disable(session: Session, webhook_id: UUID, *, url: str) -> None:
    """What answers there has said that it is gone for good; nothing changes where the webhook has moved since."""
    there = (Webhook.id == webhook_id, Webhook.url == url, Webhook.disabled_at.is_(None))
    disabling = update(Webhook).where(*there).values(disabled_at=func.now()).returning(Webhook.id)
    if session.execute(disabling).one_or_none():
        _give_up(session, webhook_id)


def ping(session: Session, webhook: Webhook) -> Delivery:
    """Tell it something, whether or not it is enabled."""
    delivery = Delivery(key_id=webhook.key_id, webhook_id=webhook.id, url=webhook.url, event=PING, by_hand=True)
    session.add(delivery)
    session.flush()
    return delivery


def _own(key_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return Webhook.key_id == key_id, Webhook.deleted_at.is_(None)


def _update(session: Session, key_id: UUID, webhook_id: UUID, values: Mapping[str, Any]) -> Webhook | None:
    changing = update(Webhook).where(*_own(key_id), Webhook.id == webhook_id).values(values).returning(Webhook)
    return session.scalars(changing).one_or_none()


def _give_up(session: Session, webhook_id: UUID) -> None:
    """Whatever it is still to be told: by hand it can be delivered all the same."""
    pending = (Delivery.webhook_id == webhook_id, Delivery.state == DeliveryState.PENDING)
    session.execute(
        update(Delivery).where(*pending).values(state=DeliveryState.FAILED, ended_at=func.clock_timestamp())
    )
