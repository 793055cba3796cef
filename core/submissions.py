"""How a job comes to be: an accepted request, and the statement that puts it on the ledger with its price."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import Integer, Uuid, insert, select

from core import money
from core.catalog import Model
from core.generation import GenerationRequest
from core.ledger import events_of
from core.orm import Job, WaitingCall, table_of
from core.statements import Given, Step, fixed
from core.states import Door, Event, Lane


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A checked request as it goes on the ledger.

    `fingerprint` is a digest of its body, by which a client's retry finds the job again, `retry_count` how often
    the client says it has tried; `idempotency_key` is the caller's own name for it, `received` the body as it
    came, without the prompt.
    """

    job_id: UUID
    request: GenerationRequest
    model: Model
    key_id: UUID
    request_id: str
    door: Door = Door.SYNC
    lane: Lane = Lane.INTERACTIVE
    priority: int = 0
    metadata: Mapping[str, str] | None = None
    webhook_url: str | None = None
    fingerprint: UUID | None = None
    retry_count: int = 0
    idempotency_key: str | None = None
    received: Mapping[str, Any] | None = None

    @property
    def unit_price(self) -> Decimal:
        """Dollars for one picture, as the catalog has it now."""
        return self.model.price(self.request.size, self.request.quality)

    @property
    def price(self) -> Decimal:
        """Dollars for all of them: the most that the job can come to."""
        return self.unit_price * self.request.n


_JOBS = table_of(Job)
_FINGERPRINT = Given("fingerprint", Uuid())
_GIVEN = (
    *("id", "provider", "model", "upstream_model", "key_id", "request_id", "request", "lane", "door", "slots"),
    *("unit_price", "price", "metadata", "priority", "webhook_url", "received"),
)
_RESERVED = money.reserving().cte("reserved")
_RECORDED = (
    insert(_JOBS)
    .from_select(_GIVEN, select(*(Given(name, _JOBS.c[name].type) for name in _GIVEN)).select_from(_RESERVED))
    .returning(*(_JOBS.c[name] for name in ("id", "attempt", "worker", "key_id", "batch_id", "price")))
    .cte("recorded")
)
_CALLED = (
    insert(WaitingCall)
    .from_select(
        ["job_id", "key_id", "fingerprint", "retry_count"],
        select(_RECORDED.c.id, _RECORDED.c.key_id, _FINGERPRINT, Given("retry_count", Integer())).where(
            _FINGERPRINT.is_not(None)
        ),
    )
    .cte("called")
)
_RECORD = fixed(
    select(_RECORDED.c.id).add_cte(
        events_of(_RECORDED, Event.RECORDED), money.reservation(_RECORDED).cte("posted"), _CALLED
    )
)


def recording(submission: Submission, *, slots: int = 1) -> Step:
    """Puts a new job on the ledger, queued, and its price aside; yields its id, or nothing: money.refusal has why.

    `slots` is how many provider calls it would make at once.
    """
    request, model = submission.request, submission.model
    return Step(
        _RECORD,
        {
            "id": submission.job_id,
            "provider": model.provider,
            "model": model.id,
            "upstream_model": model.upstream_model,
            "key_id": submission.key_id,
            "request_id": submission.request_id,
            "request": Jsonb(request.to_json()),
            "lane": submission.lane.value,
            "door": submission.door.value,
            "slots": slots,
            "unit_price": submission.unit_price,
            "price": submission.price,
            "metadata": Jsonb(dict(submission.metadata)) if submission.metadata else None,
            "priority": submission.priority,
            "webhook_url": submission.webhook_url,
            "received": Jsonb(dict(submission.received)) if submission.received is not None else None,
            "fingerprint": submission.fingerprint,
            "retry_count": submission.retry_count,
        },
    )
