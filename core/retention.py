"""How long things are kept: drops the prompts of old jobs, and later the jobs with all that hangs on them.

Each step does a portion in the transaction that it is given; True says that there may be more. What was spent and
what happened stay known: postings and the history are not dropped here.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    ColumnElement,
    ScalarSelect,
    delete,
    exists,
    func,
    literal_column,
    select,
    text,
    true,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from core import history
from core.orm import (
    Batch,
    Delivery,
    DeliveryTry,
    File,
    Forecast,
    HeldPicture,
    IdempotencyKey,
    Image,
    Job,
    JobEvent,
    Operation,
    ProviderCall,
    ProviderEvent,
    WaitingCall,
    Watermark,
    Webhook,
    one_of,
)
from core.states import SETTLED, DeliveryState, Event

PORTION = 200
# One in five or so ends a job.
EVENTS = 1000
# What is not added up yet must stay, or the history would never have it.
UNCOUNTED = timedelta(hours=1)

_ENDS = {Event(state.value) for state in SETTLED}
_PROMPTS = "prompts"
_TAKE_WATERMARK = select(Watermark.position).where(Watermark.name == _PROMPTS).with_for_update(skip_locked=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How long after their end jobs are kept, and how long their prompts."""

    jobs: timedelta
    prompts: timedelta


Step = Callable[[Session, Terms], bool]


def forget_prompts(session: Session, terms: Terms) -> bool:
    """Drop the words of jobs that ended long ago: those of the next events, from where it was last."""
    position = session.execute(_TAKE_WATERMARK).scalar_one_or_none()
    if position is None:
        return False
    following = select(
        JobEvent.id, JobEvent.job_id, JobEvent.event, (JobEvent.at < _ago(terms.prompts)).label("old")
    )
    found = session.execute(following.where(JobEvent.id > position).order_by(JobEvent.id).limit(EVENTS))
    events = list(takewhile(lambda each: each.old, found))
    if events:
        _blank(session, {each.job_id for each in events if each.event in _ENDS})
        session.execute(update(Watermark).where(Watermark.name == _PROMPTS).values(position=events[-1].id))
    return len(events) == EVENTS


def _blank(session: Session, job_ids: Collection[UUID]) -> None:
    """An empty prompt is one that was dropped: no request has one."""
    changes = (
        update(Job).where(Job.id.in_(job_ids)).values(request=text(_WORDLESS), received=None),
        update(Image).where(Image.job_id.in_(job_ids)).values(revised_prompt=None),
        delete(HeldPicture).where(HeldPicture.job_id.in_(job_ids)),
    )
    for change in changes:
        session.execute(change.execution_options(synchronize_session=False))


_WORDLESS = """jsonb_set(request #- '{extras,negative_prompt}', '{prompt}', '""')"""


# An aggregate rather than NOT EXISTS: looked up job by job, where a merge of both tables would read all pictures.
_SWEPT = select(func.bool_and(Image.swept_at.is_not(None))).where(Image.job_id == Job.id).scalar_subquery()

_PENDING = literal_column(one_of("deliveries.state", (DeliveryState.PENDING,)), Boolean)


def drop_jobs(session: Session, terms: Terms) -> bool:
    """Drop jobs that ended long ago, the oldest first, unless a picture is in the store or an event is owed."""
    if history.lag(session) > UNCOUNTED:
        return False
    old = (
        select(Job.id)
        .where(Job.id < _id_ago(terms.jobs), Job.state_in(*SETTLED), Job.settled_at < _ago(terms.jobs))
        .where(func.coalesce(_SWEPT, true()))
        .where(~exists().where(Batch.id == Job.batch_id, Batch.ended_at.is_(None)))
        .where(~exists().where(Delivery.job_id == Job.id, _PENDING))
        .order_by(Job.id)
        .limit(PORTION)
        .with_for_update(skip_locked=True)
    )
    job_ids = session.scalars(old).all()
    _drop_deliveries(session, Delivery.job_id, job_ids)
    for column in _HANGS_ON_JOBS:
        _drop(session, column, job_ids)
    return _drop(session, Job.id, job_ids)


_HANGS_ON_JOBS = (
    JobEvent.job_id,
    ProviderCall.job_id,
    Image.job_id,
    HeldPicture.job_id,
    Forecast.job_id,
    IdempotencyKey.job_id,
    WaitingCall.job_id,
)


def drop_batches(session: Session, terms: Terms) -> bool:
    """Drop batches that ended long ago, once their jobs are gone and their ends are told."""
    old = (
        select(Batch.id)
        .where(Batch.created_at < _ago(terms.jobs), Batch.ended_at < _ago(terms.jobs))
        .where(~exists().where(Job.batch_id == Batch.id))
        .where(~exists().where(Delivery.batch_id == Batch.id, _PENDING))
        .order_by(Batch.created_at)
        .limit(PORTION)
    )
    batch_ids = session.scalars(old).all()
    _drop_deliveries(session, Delivery.batch_id, batch_ids)
    retries = update(Batch).where(Batch.retry_of.in_(batch_ids)).values(retry_of=None)
    session.execute(retries.execution_options(synchronize_session=False))
    return _drop(session, Batch.id, batch_ids)


def drop_deliveries(session: Session, terms: Terms) -> bool:
    """Drop what was told long ago of jobs and batches that are still kept."""
    old = select(Delivery.id).where(Delivery.id < _id_ago(terms.jobs), Delivery.ended_at < _ago(terms.jobs))
    delivery_ids = session.scalars(old.order_by(Delivery.id).limit(PORTION)).all()
    return _drop_deliveries(session, Delivery.id, delivery_ids)


def drop_records(session: Session, terms: Terms) -> bool:
    """Drop what is left of old files, webhooks and operations, and what befell providers long ago."""
    before = _ago(terms.jobs)
    untold = ~exists().where(Delivery.webhook_id == Webhook.id)
    old = (
        (File.id, select(File.id).where(File.swept_at < before)),
        (Webhook.id, select(Webhook.id).where(Webhook.deleted_at < before, untold)),
        (Operation.id, select(Operation.id).where(Operation.ended_at < before, Operation.result.is_(None))),
        (ProviderEvent.id, select(ProviderEvent.id).where(ProviderEvent.at < before)),
    )
    more = [_drop(session, column, session.scalars(found.limit(PORTION)).all()) for column, found in old]
    return any(more)


STEPS: tuple[Step, ...] = (forget_prompts, drop_jobs, drop_batches, drop_deliveries, drop_records)


def _ago(age: timedelta) -> ColumnElement[datetime]:
    return func.now() - age


def _id_ago(age: timedelta) -> ScalarSelect[UUID]:
    """Ids that are less were given before; looked up once, not once a row."""
    return select(func.uuidv7(-age)).scalar_subquery()


def _drop_deliveries(session: Session, column: InstrumentedAttribute[Any], ids: Collection[Any]) -> bool:
    delivery_ids = session.scalars(select(Delivery.id).where(column.in_(ids))).all()
    _drop(session, DeliveryTry.delivery_id, delivery_ids)
    return _drop(session, Delivery.id, delivery_ids)


def _drop(session: Session, column: InstrumentedAttribute[Any], ids: Collection[Any]) -> bool:
    if ids:
        gone = delete(column.class_).where(column.in_(ids))
        session.execute(gone.execution_options(synchronize_session=False))
    return len(ids) >= PORTION
