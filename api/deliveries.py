"""/v1/webhooks/deliveries: what a caller's webhooks were told, how that went, and how to have it told again."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from api import listing
from api.webhook_schemas import DeliveryList, delivery_object
from api.wording import Code, not_a_member
from core import deliveries, delivery_reports, webhooks
from core.bootstrap import Services
from core.delivery_reports import History, Search
from core.errors import DeliveryMissing, InvalidRequest, WebhookMissing
from core.keys import Caller
from core.states import DeliveryState

PREFIX = deliveries.MESSAGE


def every(services: Services, caller: Caller, query: Mapping[str, str]) -> dict[str, Any]:
    """A page of deliveries, newest first. Raises InvalidRequest."""
    return _page(services, caller, _search(query))


def of_webhook(services: Services, caller: Caller, webhook_id: UUID, query: Mapping[str, str]) -> dict[str, Any]:
    """The same, of one webhook. Raises InvalidRequest, WebhookMissing."""
    with services.database.single() as session:
        if webhooks.own(session, caller.key_id, webhook_id) is None:
            raise WebhookMissing(webhook_id)
    return _page(services, caller, replace(_search(query), webhook_id=webhook_id))


def one(services: Services, caller: Caller, delivery_id: str) -> dict[str, Any]:
    """Raises DeliveryMissing."""
    return delivery_object(_find(services, caller, delivery_id)).to_json()


def redeliver(services: Services, caller: Caller, delivery_id: str) -> dict[str, Any]:
    """Raises DeliveryMissing, WebhookMissing where there is nobody left to be told."""
    delivery = _find(services, caller, delivery_id).delivery
    with services.database.transaction() as session:
        if delivery.webhook_id and webhooks.own(session, caller.key_id, delivery.webhook_id) is None:
            raise WebhookMissing(delivery.webhook_id)
        deliveries.redeliver(session, delivery.id)
    return show(services, caller, delivery.id)


def show(services: Services, caller: Caller, delivery_id: UUID) -> dict[str, Any]:
    """A delivery that there is."""
    return one(services, caller, deliveries.message_id(delivery_id))


def _find(services: Services, caller: Caller, text: str) -> History:
    named = _id(text)
    if named:
        with services.database.single() as session:
            found = delivery_reports.own(session, caller.key_id, named)
        if found:
            return found
    raise DeliveryMissing(text)


def _page(services: Services, caller: Caller, search: Search) -> dict[str, Any]:
    with services.database.single() as session:
        found = delivery_reports.page(session, caller.key_id, replace(search, limit=search.limit + 1))
    shown = [delivery_object(history) for history in found[: search.limit]]
    return DeliveryList(**listing.envelope(shown, has_more=len(found) > search.limit)).to_json()


def _search(query: Mapping[str, str]) -> Search:
    return Search(**{"limit": listing.USUAL_LIMIT, **listing.read(query, PARAMETERS)})


def _id(text: str) -> UUID | None:
    return listing.job_id(text.removeprefix(PREFIX)) if text.startswith(PREFIX) else None


def _after(name: str, text: str) -> UUID:
    if found := _id(text):
        return found
    raise _none(name, "a delivery")


def _job(name: str, text: str) -> UUID:
    if found := listing.job_id(text):
        return found
    raise _none(name, "a job")


def _none(name: str, what: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid '{name}': expected the id of {what}.", code=Code.INVALID_VALUE, param=name)


def _state(name: str, text: str) -> DeliveryState:
    if text not in {*DeliveryState}:
        raise not_a_member(name, text, tuple(DeliveryState))
    return DeliveryState(text)


PARAMETERS: listing.Parameters = {
    "limit": ("limit", listing.limit),
    "after": ("after", _after),
    "status": ("state", _state),
    "job_id": ("job_id", _job),
    "batch_id": ("batch_id", listing.text),
}
