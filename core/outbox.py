"""Events that are owed to webhooks: written by the statement in which they happen, delivered afterwards."""

from sqlalchemy import CTE, ColumnElement, Insert, Text, any_, func, insert, null, select, union_all

from core.orm import Delivery, Webhook

JOB_EVENT = "image.generation.job."
BATCH_EVENT = "batch."


def owing(settled: CTE) -> Insert:
    """What jobs that were just settled are to be told to: their key's webhooks, and an address of their own.

    A line of a batch has its batch's events.
    """
    event = func.concat(JOB_EVENT, settled.c.state, type_=Text)
    alone = settled.c.batch_id.is_(None)
    registered = (
        select(settled.c.key_id, Webhook.id, Webhook.url, event, settled.c.id)
        .join_from(settled, Webhook, Webhook.key_id == settled.c.key_id)
        .where(alone, *_listening(event))
    )
    asked_for = select(settled.c.key_id, null(), settled.c.webhook_url, event, settled.c.id).where(
        alone, settled.c.webhook_url.is_not(None)
    )
    columns = ["key_id", "webhook_id", "url", "event", "job_id"]
    return insert(Delivery).from_select(columns, union_all(registered, asked_for))


def owing_batch(ended: CTE) -> Insert:
    """What a batch that has just ended is to be told to."""
    event = func.concat(BATCH_EVENT, ended.c.status, type_=Text)
    registered = (
        select(ended.c.key_id, Webhook.id, Webhook.url, event, ended.c.id)
        .join_from(ended, Webhook, Webhook.key_id == ended.c.key_id)
        .where(*_listening(event))
    )
    columns = ["key_id", "webhook_id", "url", "event", "batch_id"]
    return insert(Delivery).from_select(columns, registered)


def _listening(event: ColumnElement[str]) -> tuple[ColumnElement[bool], ...]:
    """Its key wants to hear of it; one without a list wants to hear of everything."""
    everything = func.cardinality(Webhook.events) == 0
    return Webhook.disabled_at.is_(None), everything | (event == any_(Webhook.events))
