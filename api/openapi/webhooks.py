"""Webhooks in the document: where events are told, and what a receiver gets."""

from collections.abc import Sequence
from typing import Any

from werkzeug.exceptions import NotFound

from api import listing
from api.errors import Answer
from api.openapi import refusals
from api.openapi.operations import COMMON, JSON, Operation, answer, parameter
from api.openapi.schemas import ref
from api.webhook_schemas import (
    DeliveryList,
    WebhookBody,
    WebhookChange,
    WebhookDeleted,
    WebhookDelivery,
    WebhookList,
    WebhookObject,
    WebhookRotation,
    WebhookSecret,
)
from api.wording import not_a_member, unknown
from core.errors import DeliveryMissing, TooManyWebhooks, WebhookMissing
from core.states import DeliveryState
from core.webhooks import EVENTS, MOST_OF_A_KEY

TAG = "Webhooks"
CREATE = f"""\
Events are told there by POST, as Standard Webhooks has it: signed, with the same `webhook-id` at every try, and \
tried for a day where they are not taken. The `secret` is in this answer and in no other. An API key may have \
{MOST_OF_A_KEY}. Events: {", ".join(f"`{event}`" for event in EVENTS)}."""
REDELIVER = "Whatever became of it: it is tried once more, now, under the same `webhook-id`."
WEBHOOK_ID = parameter("path", "webhook_id", "The id of a webhook.", {"type": "string", "format": "uuid"})
DELIVERY_ID = parameter(
    "path", "delivery_id", "The `webhook-id` that the receiver saw.", {"type": "string"}, example="msg_0199d0c1"
)
LIMIT = parameter(
    "query",
    "limit",
    "How many a page has at most.",
    {"type": "integer", "minimum": 1, "maximum": listing.MOST_ON_A_PAGE, "default": listing.USUAL_LIMIT},
)
AFTER = parameter(
    "query", "after", "The page begins behind this one: `last_id` of the page before.", {"type": "string"}
)
SEARCH = (
    LIMIT,
    AFTER,
    parameter("query", "status", "One of them.", {"type": "string", "enum": list(DeliveryState)}),
    parameter("query", "job_id", "Only of this job.", {"type": "string", "format": "uuid"}),
    parameter("query", "batch_id", "Only of this batch.", {"type": "string"}),
)
WRONG_BODY = [refusals.refused(unknown("colour")), refusals.refused(not_a_member("events", "done", EVENTS))]
WRONG_QUERY = [refusals.refused(unknown("colour"))]


def operations() -> list[Operation]:
    return [*_registering(), *_changing(), *_told()]


def _registering() -> list[Operation]:
    return [
        Operation(
            method="post",
            path="/v1/webhooks",
            id="createWebhook",
            tag=TAG,
            summary="Register a webhook",
            description=CREATE,
            body=_body(WebhookBody),
            answers={200: answer("The webhook, with its secret.", WebhookObject)},
            errors=[*WRONG_BODY, *refusals.of(TooManyWebhooks), *COMMON],
        ),
        Operation(
            method="get",
            path="/v1/webhooks",
            id="listWebhooks",
            tag=TAG,
            summary="List webhooks",
            parameters=[LIMIT, AFTER],
            answers={200: answer("A page of webhooks, without their secrets.", WebhookList)},
            errors=[*WRONG_QUERY, *COMMON],
        ),
        Operation(
            method="get",
            path="/v1/webhooks/secret",
            id="retrieveWebhookSecret",
            tag=TAG,
            summary="See what signs events for addresses that requests name",
            description="Those of `webhook_url`. It is the same for as long as the API key is.",
            answers={200: answer("The secret.", WebhookSecret)},
            errors=COMMON,
        ),
    ]


def _changing() -> list[Operation]:
    return [
        _of_one("get", "", WebhookObject, name="retrieveWebhook", summary="Look at a webhook"),
        _of_one(
            "post",
            "",
            WebhookObject,
            name="changeWebhook",
            summary="Change, disable or enable a webhook",
            takes=WebhookChange,
        ),
        _of_one("delete", "", WebhookDeleted, name="deleteWebhook", summary="Delete a webhook"),
        _of_one(
            "post",
            "/rotate",
            WebhookObject,
            name="rotateWebhookSecret",
            summary="Replace the secret of a webhook",
            takes=WebhookRotation,
        ),
        _of_one("post", "/test", WebhookDelivery, name="testWebhook", summary="Send a ping"),
    ]


def _told() -> list[Operation]:
    return [
        _of_one(
            "get",
            "/deliveries",
            DeliveryList,
            name="listDeliveriesOfWebhook",
            summary="List what a webhook was told",
            queries=SEARCH,
        ),
        Operation(
            method="get",
            path="/v1/webhooks/deliveries",
            id="listDeliveries",
            tag=TAG,
            summary="List deliveries",
            description="To webhooks, and to the addresses that requests named; newest first, with every try.",
            parameters=SEARCH,
            answers={200: answer("A page of deliveries.", DeliveryList)},
            errors=[*WRONG_QUERY, *COMMON],
        ),
        Operation(
            method="get",
            path="/v1/webhooks/deliveries/{delivery_id}",
            id="retrieveDelivery",
            tag=TAG,
            summary="Look at a delivery",
            parameters=[DELIVERY_ID],
            answers={200: answer("The delivery.", WebhookDelivery)},
            errors=_missing(DeliveryMissing),
        ),
        Operation(
            method="post",
            path="/v1/webhooks/deliveries/{delivery_id}/redeliver",
            id="redeliverEvent",
            tag=TAG,
            summary="Tell an event again",
            description=REDELIVER,
            parameters=[DELIVERY_ID],
            answers={200: answer("The delivery, about to be tried.", WebhookDelivery)},
            errors=_missing(DeliveryMissing, WebhookMissing),
        ),
    ]


def _of_one(  # noqa: PLR0913 - they differ in nothing else
    method: str,
    path: str,
    given: type,
    *,
    name: str,
    summary: str,
    takes: type | None = None,
    queries: Sequence[dict[str, Any]] = (),
) -> Operation:
    """What is done to one webhook."""
    wrong = (WRONG_BODY if takes else []) + (WRONG_QUERY if queries else [])
    return Operation(
        method=method,
        path=f"/v1/webhooks/{{webhook_id}}{path}",
        id=name,
        tag=TAG,
        summary=summary,
        parameters=[WEBHOOK_ID, *queries],
        body=_body(takes) if takes else None,
        answers={200: answer("As it is now.", given)},
        errors=[*wrong, *_missing(WebhookMissing)],
    )


def _body(kind: type) -> dict[str, Any]:
    return {"required": kind is not WebhookRotation, "content": {JSON: {"schema": ref(kind)}}}


def _missing(*kinds: type[Exception]) -> list[Answer]:
    return [*refusals.of(*kinds), *refusals.of_protocol(NotFound), *COMMON]
