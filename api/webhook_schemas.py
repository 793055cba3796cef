"""The public contract of webhooks: bodies, and the objects that every address under /v1/webhooks answers with."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.job_schemas import Described
from core.deliveries import message_id
from core.delivery_reports import History
from core.orm import Webhook
from core.states import DeliveryState

DAY = 86_400


class Body(BaseModel):
    """What is posted; names beyond these are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class WebhookBody(Body):
    """A webhook to be."""

    url: str
    """Where events are told: an https address, or one that the operator allows."""
    events: list[str] = []
    """Which; none for all, also for those of later releases."""


class WebhookChange(Body):
    """What is to be another; whatever is left out stays."""

    url: str | None = None
    events: list[str] | None = None
    enabled: bool | None = None
    """Where it is not, nothing is told, nor later."""


class WebhookRotation(Body):
    """How a secret is replaced."""

    overlap_seconds: Annotated[int, Field(ge=0, le=7 * DAY)] = DAY
    """For how long the old secret signs as well; 0 for one that has become known to others."""


class WebhookObject(Described):
    """Where events of the API key are told. Times are Unix seconds."""

    id: str
    object: Literal["webhook"]
    url: str
    events: list[str]
    """None for all."""
    enabled: bool
    created_at: int
    disabled_at: int | None
    """Since when it is disabled; a receiver that answers 410 is by itself."""
    old_secret_until: int | None
    """Until when the secret before the last rotation signs as well."""
    secret: str | None = None
    """What its events are signed with; shown once, when it is made or rotated."""


class WebhookList(Described):
    """A page of the API key's webhooks, newest first."""

    object: Literal["list"]
    data: list[WebhookObject]
    first_id: str | None
    last_id: str | None
    """What to send as `after` for the next page."""
    has_more: bool


class WebhookDeleted(Described):
    """A webhook that is no more."""

    id: str
    object: Literal["webhook.deleted"]
    deleted: Literal[True]


class WebhookSecret(Described):
    """What signs events for the addresses that the API key's requests name as `webhook_url`."""

    object: Literal["webhook.secret"]
    secret: str


class WebhookTry(Described):
    """One try at telling an event."""

    at: int
    """When it ended."""
    seconds: float
    """How long it took."""
    status: int | None
    """What the receiver answered; null where it did not."""
    fault: str | None
    """Why that is not what was hoped for."""


class WebhookDelivery(Described):
    """An event on its way to a receiver. Times are Unix seconds."""

    id: str
    """The `webhook-id` that the receiver sees, at every try."""
    object: Literal["webhook.delivery"]
    webhook_id: str | None
    """Null where the request itself named the address."""
    url: str
    event: str
    job_id: str | None
    batch_id: str | None
    status: DeliveryState
    created_at: int
    """When it happened."""
    next_try_at: int | None
    ended_at: int | None
    """When it was told, or given up."""
    tries: list[WebhookTry]


class DeliveryList(Described):
    """A page of the API key's deliveries, newest first."""

    object: Literal["list"]
    data: list[WebhookDelivery]
    first_id: str | None
    last_id: str | None
    """What to send as `after` for the next page."""
    has_more: bool


def webhook_object(webhook: Webhook) -> WebhookObject:
    """Without its secret."""
    return WebhookObject(
        id=str(webhook.id),
        object="webhook",
        url=webhook.url,
        events=webhook.events,
        enabled=webhook.disabled_at is None,
        created_at=int(webhook.created_at.timestamp()),
        disabled_at=_seconds(webhook.disabled_at),
        old_secret_until=_seconds(webhook.old_secret_until),
    )


def webhook_with_secret(webhook: Webhook) -> WebhookObject:
    """Only for who has just made the secret."""
    return webhook_object(webhook).model_copy(update={"secret": webhook.secret})


def delivery_object(history: History) -> WebhookDelivery:
    delivery = history.delivery
    return WebhookDelivery(
        id=message_id(delivery.id),
        object="webhook.delivery",
        webhook_id=str(delivery.webhook_id) if delivery.webhook_id else None,
        url=delivery.url,
        event=delivery.event,
        job_id=str(delivery.job_id) if delivery.job_id else None,
        batch_id=delivery.batch_id,
        status=delivery.state,
        created_at=int(delivery.created_at.timestamp()),
        next_try_at=_seconds(delivery.due_at) if delivery.state is DeliveryState.PENDING else None,
        ended_at=_seconds(delivery.ended_at),
        tries=[
            WebhookTry(
                at=int(each.at.timestamp()),
                seconds=round(each.seconds, 3),
                status=each.status,
                fault=each.fault,
            )
            for each in history.tries
        ],
    )


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())
