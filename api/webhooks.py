"""/v1/webhooks: where a caller's events are told, and nobody else's."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

from flask import Request
from pydantic import ValidationError

from api import addresses, listing
from api.bodies import read_json
from api.deliveries import show
from api.webhook_schemas import (
    Body,
    WebhookBody,
    WebhookChange,
    WebhookDeleted,
    WebhookList,
    WebhookRotation,
    WebhookSecret,
    webhook_object,
    webhook_with_secret,
)
from api.wording import Code, first, not_a_member, unknown
from core import webhooks
from core.bootstrap import Services
from core.errors import InvalidRequest, WebhookMissing
from core.keys import Caller
from core.webhooks import EVENTS

Kind = TypeVar("Kind", bound=Body)


def create(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    """Raises InvalidRequest, TooManyWebhooks."""
    asked = _read(request, WebhookBody)
    url = addresses.check("url", asked.url, services.settings.webhook_hosts)
    with services.database.transaction() as session:
        made = webhooks.create(session, caller.key_id, url=url, events=_events(asked.events))
    return webhook_with_secret(made).to_json()


def every(services: Services, caller: Caller, query: Mapping[str, str]) -> dict[str, Any]:
    """A page of webhooks, newest first. Raises InvalidRequest."""
    asked = {"limit": listing.USUAL_LIMIT, "after": None, **listing.read(query, PARAMETERS)}
    limit = asked["limit"]
    with services.database.single() as session:
        found = webhooks.page(session, caller.key_id, limit=limit + 1, after=asked["after"])
    shown = [webhook_object(webhook) for webhook in found[:limit]]
    return WebhookList(**listing.envelope(shown, has_more=len(found) > limit)).to_json()


def one(services: Services, caller: Caller, webhook_id: UUID) -> dict[str, Any]:
    """Raises WebhookMissing."""
    with services.database.single() as session:
        found = webhooks.own(session, caller.key_id, webhook_id)
    if found is None:
        raise WebhookMissing(webhook_id)
    return webhook_object(found).to_json()


def change(services: Services, caller: Caller, webhook_id: UUID, request: Request) -> dict[str, Any]:
    """Raises InvalidRequest, WebhookMissing."""
    asked = _read(request, WebhookChange)
    given: dict[str, object] = {}
    if asked.url is not None:
        given["url"] = addresses.check("url", asked.url, services.settings.webhook_hosts)
    if asked.events is not None:
        given["events"] = _events(asked.events)
    with services.database.transaction() as session:
        changed = webhooks.change(session, caller.key_id, webhook_id, given, enabled=asked.enabled)
    if changed is None:
        raise WebhookMissing(webhook_id)
    return webhook_object(changed).to_json()


def delete(services: Services, caller: Caller, webhook_id: UUID) -> dict[str, Any]:
    """Raises WebhookMissing."""
    with services.database.transaction() as session:
        if not webhooks.delete(session, caller.key_id, webhook_id):
            raise WebhookMissing(webhook_id)
    return WebhookDeleted(id=str(webhook_id), object="webhook.deleted", deleted=True).to_json()


def rotate(services: Services, caller: Caller, webhook_id: UUID, request: Request) -> dict[str, Any]:
    """Raises InvalidRequest, WebhookMissing."""
    asked = _read(request, WebhookRotation) if request.get_data() else WebhookRotation()
    overlap = timedelta(seconds=asked.overlap_seconds)
    with services.database.transaction() as session:
        rotated = webhooks.rotate(session, caller.key_id, webhook_id, overlap=overlap)
    if rotated is None:
        raise WebhookMissing(webhook_id)
    return webhook_with_secret(rotated).to_json()


def ping(services: Services, caller: Caller, webhook_id: UUID) -> dict[str, Any]:
    """The delivery that was begun. Raises WebhookMissing."""
    with services.database.transaction() as session:
        webhook = webhooks.own(session, caller.key_id, webhook_id)
        if webhook is None:
            raise WebhookMissing(webhook_id)
        delivery = webhooks.ping(session, webhook)
    return show(services, caller, delivery.id)


def secret(services: Services, caller: Caller) -> dict[str, Any]:
    """What signs events for the addresses that requests name."""
    with services.database.single() as session:
        found = webhooks.secret_for(session, caller.key_id)
    return WebhookSecret(object="webhook.secret", secret=found).to_json()


def _read(request: Request, kind: type[Kind]) -> Kind:
    body = read_json(request)
    for name in body:
        if name not in kind.model_fields:
            raise unknown(name)
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        raise first(error.errors(include_url=False), {}) from None


def _events(named: Sequence[str]) -> list[str]:
    for name in named:
        if name not in EVENTS:
            raise not_a_member("events", name, EVENTS)
    return list(dict.fromkeys(named))


def _after(name: str, text: str) -> UUID:
    if found := listing.job_id(text):
        return found
    message = f"Invalid '{name}': expected the id of a webhook."
    raise InvalidRequest(message, code=Code.INVALID_VALUE, param=name)


PARAMETERS: listing.Parameters = {"limit": ("limit", listing.limit), "after": ("after", _after)}
