"""Deliveries in the document: what webhooks, and the addresses that requests named, were told."""

from api.openapi.operations import COMMON, Operation, answer, missing, parameter
from api.openapi.pages import AFTER, LIMIT, WRONG_QUERY
from api.openapi.webhooks import TAG, WEBHOOK_ID
from api.webhook_schemas import DeliveryList, WebhookDelivery
from core.errors import DeliveryMissing, WebhookMissing
from core.states import DeliveryState

REDELIVER = "Whatever became of it: it is tried once more, now, under the same `webhook-id`."
DELIVERY_ID = parameter(
    "path", "delivery_id", "The `webhook-id` that the receiver saw.", {"type": "string"}, example="msg_0199d0c1"
)
SEARCH = (
    LIMIT,
    AFTER,
    parameter("query", "status", "One of them.", {"type": "string", "enum": list(DeliveryState)}),
    parameter("query", "job_id", "Only of this job.", {"type": "string", "format": "uuid"}),
    parameter("query", "batch_id", "Only of this batch.", {"type": "string"}),
)


def operations() -> list[Operation]:
    return [_of_webhook(), _list(), _retrieve(), _redeliver()]


def _of_webhook() -> Operation:
    return Operation(
        method="get",
        path="/v1/webhooks/{webhook_id}/deliveries",
        id="listDeliveriesOfWebhook",
        tag=TAG,
        summary="List what a webhook was told",
        parameters=[WEBHOOK_ID, *SEARCH],
        answers={200: answer("As it is now.", DeliveryList)},
        errors=[*WRONG_QUERY, *missing(WebhookMissing)],
    )


def _list() -> Operation:
    return Operation(
        method="get",
        path="/v1/webhooks/deliveries",
        id="listDeliveries",
        tag=TAG,
        summary="List deliveries",
        description="To webhooks, and to the addresses that requests named; newest first, with every try.",
        parameters=SEARCH,
        answers={200: answer("A page of deliveries.", DeliveryList)},
        errors=[*WRONG_QUERY, *COMMON],
    )


def _retrieve() -> Operation:
    return Operation(
        method="get",
        path="/v1/webhooks/deliveries/{delivery_id}",
        id="retrieveDelivery",
        tag=TAG,
        summary="Look at a delivery",
        parameters=[DELIVERY_ID],
        answers={200: answer("The delivery.", WebhookDelivery)},
        errors=missing(DeliveryMissing),
    )


def _redeliver() -> Operation:
    return Operation(
        method="post",
        path="/v1/webhooks/deliveries/{delivery_id}/redeliver",
        id="redeliverEvent",
        tag=TAG,
        summary="Tell an event again",
        description=REDELIVER,
        parameters=[DELIVERY_ID],
        answers={200: answer("The delivery, about to be tried.", WebhookDelivery)},
        errors=missing(DeliveryMissing, WebhookMissing),
    )
