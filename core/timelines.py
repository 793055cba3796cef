"""Everything that is known of one job, for operators: its way step by step, what was asked, made and paid."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import calls, delivery_reports, results
from core.delivery_reports import History, Search
from core.orm import ApiKey, Batch, Forecast, Image, Job, JobEvent, Posting, ProviderCall, WaitingCall
from core.states import Event

MOST_DELIVERIES = 100
# What is kept to without the provider: the house sees to it.
OURS = {"user", "stream", "metadata", "webhook_url", "priority", "output_format", "output_compression"}
NOTHING = (None, "", "auto")


class Milestone(StrEnum):
    """What is no move of the job and has its time all the same."""

    RECEIVED = "received"
    SENT = "sent"
    ACCEPTED = "accepted"
    ARRIVED = "arrived"
    ENDED = "ended"
    STORED = "stored"
    DELIVERED = "delivered"
    TOLD = "told"
    FETCHED = "fetched"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Stage:
    """One step on a job's way, `since` the one before it. `facts` are what else there is to say."""

    what: Event | Milestone
    at: datetime
    since: timedelta = timedelta()
    attempt: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """A job, whoever's it is, as of the moment `now`; all lists are in order of time, pictures in their own.

    `retries` are the jobs that operators had made of it again.
    """

    job: Job
    key_name: str
    batch: Batch | None
    forecast: Forecast | None
    waiting_call: WaitingCall | None
    now: datetime
    events: Sequence[JobEvent]
    calls: Sequence[ProviderCall]
    images: Sequence[Image]
    postings: Sequence[Posting]
    deliveries: Sequence[History]
    retries: Sequence[UUID]

    @property
    def stages(self) -> list[Stage]:
        """Its whole way, in order of time."""
        stages = sorted(
            (*self._received(), *self._moves(), *self._of_calls(), *self._of_pictures(), *self._told()),
            key=_moment,
        )
        before = [stages[0].at, *(stage.at for stage in stages)]
        return [
            Stage(stage.what, stage.at, stage.at - last, stage.attempt, stage.facts)
            for stage, last in zip(stages, before, strict=False)
        ]

    @property
    def received(self) -> dict[str, Any] | None:
        """The body as it came; None for the line of a batch, which is in the batch's own file."""
        received = self.job.received
        return None if received is None else {**received, "prompt": self.job.request["prompt"]}

    @property
    def dropped(self) -> list[str]:
        """What was asked for in vain."""
        kept = {**self.job.request, **self.job.request["extras"]}
        given = {name: value for name, value in (self.job.received or {}).items() if name not in OURS}
        return [name for name, value in given.items() if value not in (*NOTHING, kept.get(name))]

    @property
    def forecast_error(self) -> timedelta | None:
        """How much later than expected it ended; negative where that was sooner."""
        if self.forecast is None or self.job.settled_at is None:
            return None
        return self.job.settled_at - self.forecast.expected_at

    def sent(self, call: ProviderCall) -> dict[str, Any]:
        """What the adapter was handed for a call: the fields of its Order."""
        request = self.job.request
        return {
            "upstream_model": call.upstream_model,
            **{name: request[name] for name in ("prompt", "size", "quality", "style", "extras")},
            "n": len(call.positions),
            "first": min(call.positions),
        }

    def left(self, image: Image) -> timedelta:
        """How long its address still holds."""
        return max(image.expires_at - self.now, timedelta())

    def _received(self) -> Iterator[Stage]:
        """A line was asked for with its batch, and recorded when the clerk came to it; others are both at once."""
        if self.batch:
            yield Stage(Milestone.RECEIVED, self.batch.created_at, facts={"batch": self.batch.id})

    def _moves(self) -> Iterator[Stage]:
        for event in self.events:
            facts = {"worker": event.worker} if event.worker else {}
            yield Stage(event.event, event.at, attempt=event.attempt, facts={**facts, **(event.detail or {})})

    def _of_calls(self) -> Iterator[Stage]:
        for call in self.calls:
            facts = {"call": call.id, "provider": call.provider}
            yield Stage(Milestone.SENT, call.sent_at, attempt=call.attempt, facts=facts)
            if call.accepted_at:
                told = {**facts, "id": handle_id(call)}
                yield Stage(Milestone.ACCEPTED, call.accepted_at, attempt=call.attempt, facts=told)
            if call.arrived_at:
                asked = {**facts, "polls": call.polls}
                yield Stage(Milestone.ARRIVED, call.arrived_at, attempt=call.attempt, facts=asked)
            elif call.ended_at:
                became = {**facts, "polls": call.polls, "outcome": call.outcome, **(call.error or {})}
                yield Stage(Milestone.ENDED, call.ended_at, attempt=call.attempt, facts=became)

    def _of_pictures(self) -> Iterator[Stage]:
        # A picture's own time is when the transaction began that ended its call, or, where it was held, later.
        ended = {place: call.ended_at for call in self.calls if call.arrived_at for place in call.positions}
        for image in self.images:
            facts = {"picture": image.position, "name": image.name}
            stored = max(image.created_at, ended.get(image.position) or image.created_at)
            yield Stage(Milestone.STORED, stored, facts={**facts, "bytes": image.bytes})
            if image.fetched_at:
                yield Stage(Milestone.FETCHED, image.fetched_at, facts=facts)
            if image.expires_at <= self.now:
                yield Stage(Milestone.EXPIRED, image.expires_at, facts=facts)

    def _told(self) -> Iterator[Stage]:
        if self.job.delivered_at:
            yield Stage(Milestone.DELIVERED, self.job.delivered_at)
        for history in self.deliveries:
            delivery = history.delivery
            if delivery.ended_at:
                yield Stage(
                    Milestone.TOLD, delivery.ended_at, facts={"delivery": delivery.id, "state": delivery.state}
                )


def handle_id(call: ProviderCall) -> str | None:
    """What the provider calls it, where it has accepted it as a task."""
    handle = call.handle or {}
    return next((str(handle[name]) for name in ("id", "task") if name in handle), None)


def of_job(session: Session, job_id: UUID) -> Timeline | None:
    """In eight statements, whatever befell the job."""
    row = session.execute(
        select(Job, ApiKey.name, Batch, Forecast, WaitingCall, func.clock_timestamp().label("now"))
        .join(ApiKey, ApiKey.id == Job.key_id)
        .outerjoin(Batch, Batch.id == Job.batch_id)
        .outerjoin(Forecast, Forecast.job_id == Job.id)
        .outerjoin(WaitingCall, WaitingCall.job_id == Job.id)
        .where(Job.id == job_id)
    ).one_or_none()
    if row is None:
        return None
    told = Search(limit=MOST_DELIVERIES, job_id=job_id)
    return Timeline(
        job=row.Job,
        key_name=row.name,
        batch=row.Batch,
        forecast=row.Forecast,
        waiting_call=row.WaitingCall,
        now=row.now,
        events=results.history(session, job_id),
        calls=calls.of_job(session, job_id),
        images=session.scalars(select(Image).where(Image.job_id == job_id).order_by(Image.position)).all(),
        postings=session.scalars(select(Posting).where(Posting.job_id == job_id).order_by(Posting.id)).all(),
        deliveries=delivery_reports.page(session, row.Job.key_id, told)[::-1],
        retries=session.scalars(select(Job.id).where(Job.retry_of == job_id).order_by(Job.id)).all(),
    )


def _moment(stage: Stage) -> datetime:
    return stage.at
