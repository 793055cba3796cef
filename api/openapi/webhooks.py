"""Webhooks in the document: where events are told."""

from api.openapi import refusals
from api.openapi.operations import COMMON, Operation, answer, body, missing, parameter
from api.openapi.pages import AFTER, LIMIT, WRONG_QUERY
from api.webhook_schemas import (
    WebhookBody,
    WebhookChange,
    WebhookDeleted,
    WebhookDelivery,
    WebhookList,
    WebhookObject,
    WebhookRotation,
    WebhookSecret,
)
from api.wording import not_a_member
from core.errors import TooManyWebhooks, WebhookMissing
from core.webhooks import EVENTS, MOST_OF_A_KEY

TAG = "Webhooks"
CREATE = f"""\
Events are told there by POST, as Standard Webhooks has it: signed, with the same `webhook-id` at every try, and \
tried for a day where they are not taken. The `secret` is in this answer and in no other. An API key may have \
{MOST_OF_A_KEY}. Events: {", ".join(f"`{event}`" for event in EVENTS)}."""
WEBHOOK_ID = parameter("path", "webhook_id", "The id of a webhook.", {"type": "string", "format": "uuid"})
WRONG_BODY = [*WRONG_QUERY, refusals.refused(not_a_member("events", "done", EVENTS))]
# operation id -> (summary, method, what follows the id in the path, what it answers)
OF_ONE: dict[str, tuple[str, str, str, type]] = {
    "retrieveWebhook": ("Look at a webhook", "get", "", WebhookObject),
    "changeWebhook": ("Change, disable or enable a webhook", "post", "", WebhookObject),
    "deleteWebhook": ("Delete a webhook", "delete", "", WebhookDeleted),
    "rotateWebhookSecret": ("Replace the secret of a webhook", "post", "/rotate", WebhookObject),
    "testWebhook": ("Send a ping", "post", "/test", WebhookDelivery),
}
BODIES = {"changeWebhook": body(WebhookChange), "rotateWebhookSecret": body(WebhookRotation, required=False)}


def operations() -> list[Operation]:
    return [_create(), _list(), _secret(), *map(_of_one, OF_ONE)]


def _create() -> Operation:
    return Operation(
        method="post",
        path="/v1/webhooks",
        id="createWebhook",
        tag=TAG,
        summary="Register a webhook",
        description=CREATE,
        body=body(WebhookBody),
        answers={200: answer("The webhook, with its secret.", WebhookObject)},
        errors=[*WRONG_BODY, *refusals.of(TooManyWebhooks), *COMMON],
    )


def _list() -> Operation:
    return Operation(
        method="get",
        path="/v1/webhooks",
        id="listWebhooks",
        tag=TAG,
        summary="List webhooks",
        parameters=[LIMIT, AFTER],
        answers={200: answer("A page of webhooks, without their secrets.", WebhookList)},
        errors=[*WRONG_QUERY, *COMMON],
    )


def _secret() -> Operation:
    return Operation(
        method="get",
        path="/v1/webhooks/secret",
        id="retrieveWebhookSecret",
        tag=TAG,
        summary="See what signs events for addresses that requests name",
        description="Those of `webhook_url`. It is the same for as long as the API key is.",
        answers={200: answer("The secret.", WebhookSecret)},
        errors=COMMON,
    )


def _of_one(name: str) -> Operation:
    summary, method, verb, given = OF_ONE[name]
    taken = BODIES.get(name)
    return Operation(
        method=method,
        path=f"/v1/webhooks/{{webhook_id}}{verb}",
        id=name,
        tag=TAG,
        summary=summary,
        parameters=[WEBHOOK_ID],
        body=taken,
        answers={200: answer("As it is now.", given)},
        errors=[*(WRONG_BODY if taken else ()), *missing(WebhookMissing)],
    )
