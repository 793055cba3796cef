"""Events that are owed to webhooks: written by the statement in which they happen, delivered afterwards."""

from typing import Any

from sqlalchemy import CTE, ColumnElement, Insert, Select, Text, any_, func, insert, null, select, union_all

from core.orm import Delivery, Webhook

JOB_EVENT = "image.generation.job."
BATCH_EVENT = "batch."

COLUMNS = ("key_id", "webhook_id", "url", "event")


def owing(settled: CTE) -> Insert:
    """What jobs that were just settled are to be told to: their key's webhooks, and an address of their own.

    A line of a batch has its batch's events.
    """
    event = func.concat(JOB_EVENT, settled.c.state, type_=Text)
    alone = settled.c.batch_id.is_(None)
    asked_for = select(settled.c.key_id, null(), settled.c.webhook_url, event, settled.c.id).where(
        alone, settled.c.webhook_url.is_not(None)
    )
    told = union_all(_listening(settled, event).where(alone), asked_for)
    return insert(Delivery).from_select([*COLUMNS, "job_id"], told)


def owing_batch(ended: CTE) -> Insert:
    """What a batch that has just ended is to be told to."""
    event = func.concat(BATCH_EVENT, ended.c.status, type_=Text)
    return insert(Delivery).from_select([*COLUMNS, "batch_id"], _listening(ended, event))


def _listening(happened: CTE, event: ColumnElement[str]) -> Select[Any]:
    """Its key's webhooks that want to hear of it; one without a list wants to hear of everything."""
    everything = func.cardinality(Webhook.events) == 0
    return (
        select(happened.c.key_id, Webhook.id, Webhook.url, event, happened.c.id)
        .join_from(happened, Webhook, Webhook.key_id == happened.c.key_id)
        .where(Webhook.disabled_at.is_(None), everything | (event == any_(Webhook.events)))
    )
