"""What operators have done to many jobs: foreseen, ordered, looked at, stopped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import audit
from core.catalog import Catalog
from core.errors import DarkroomError
from core.generation import Size
from core.job_ids import new_job_id
from core.operations.again import fitted, was_retried
from core.operations.selections import Selection
from core.orm import Operation
from core.searches.matches import guard, matching
from core.states import LIVE, SETTLED, JobState, Lane, OperationKind, OperationState

# To what a kind of operation can be done.
STATES: Mapping[OperationKind, frozenset[JobState]] = {
    OperationKind.CANCEL: frozenset(LIVE),
    OperationKind.RETRY: frozenset({JobState.FAILED, JobState.CANCELLED}),
    OperationKind.REROUTE: frozenset({JobState.QUEUED, *SETTLED}),
    OperationKind.CHANGE_LANE: frozenset({JobState.QUEUED}),
    OperationKind.EXPORT: frozenset(JobState),
}
FORMATS = ("csv", "jsonl")


class OperationRefused(DarkroomError):
    """An operation that makes no sense. `args` holds why."""


class Dearer(DarkroomError):
    """The operation would cost more by now than whoever ordered it was shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What some kinds need to know.

    The `lane` to change to; the `model` to make jobs with; the `format` of an export, and whether it has the
    `prompts`, for users who may see them.
    """

    lane: Lane | None = None
    model: str | None = None
    format: str | None = None
    prompts: bool = False

    def to_json(self) -> dict[str, Any]:
        return {"lane": self.lane, "model": self.model, "format": self.format, "prompts": self.prompts}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Options":
        return cls(**{**stored, "lane": Lane(stored["lane"]) if stored["lane"] else None})


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be done, and to which jobs; at the cost of so many dollars `at_most`, where that is agreed.

    By its `id` an order that is placed twice is known.
    """

    kind: OperationKind
    selection: Selection
    options: Options = Options()
    at_most: Decimal | None = None
    id: UUID = field(default_factory=new_job_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """How many jobs it would be done to, and the dollars that would be reserved; `capped`: as many, or more."""

    total: int
    cost: Decimal
    capped: bool


def preview(session: Session, catalog: Catalog, order: Order) -> Preview:
    """Raises OperationRefused."""
    _check(catalog, order)
    guard(session)
    looked_at, search = order.selection.look(STATES[order.kind])
    job, meant = looked_at.rows.c, matching(looked_at, search)
    if order.kind is OperationKind.RETRY:
        meant.append(~was_retried(job.id))
    asked = [job.state, job.model, *(job.request[name].astext for name in ("size", "quality"))]
    jobs, pictures = func.count().filter(*meant), func.sum(job.request["n"].as_integer()).filter(*meant)
    groups = session.execute(select(*asked, jobs, pictures, func.count()).group_by(*asked)).all()
    costs = (_unit_price(catalog, order, *group) * made for *group, _, made, _ in groups if made)
    return Preview(
        total=sum(group[-3] for group in groups),
        cost=sum(costs, Decimal(0)),
        capped=not looked_at.are_all(sum(group[-1] for group in groups)),
    )


def _unit_price(catalog: Catalog, order: Order, state: JobState, *asked: str) -> Decimal:
    """Dollars for one picture that would be made anew."""
    model_id, size, quality = asked
    is_made_anew = state in SETTLED and order.kind in {OperationKind.RETRY, OperationKind.REROUTE}
    model = catalog.model(order.options.model or model_id)
    if model is None or not is_made_anew:
        return Decimal(0)
    able = fitted(model, size=Size.parse(size), quality=quality)
    return model.price(*able) if able else Decimal(0)


def place(session: Session, catalog: Catalog, order: Order, *, actor: str, why: str | None = None) -> UUID:
    """Have it done in the background, to jobs that are there now: once, however often it is placed. Audited.

    Raises OperationRefused, and Dearer.
    """
    foreseen = preview(session, catalog, order)
    if order.at_most is not None and foreseen.cost > order.at_most:
        raise Dearer
    detail = {
        "selection": order.selection.to_json(),
        "options": order.options.to_json(),
        "total": foreseen.total,
    }
    placed = (
        insert(Operation)
        .values(id=order.id, kind=order.kind, actor=actor, why=why or None, cost=foreseen.cost, **detail)
        .on_conflict_do_nothing()
        .returning(Operation.id)
    )
    if session.execute(placed).one_or_none():
        action, subject = f"jobs.{order.kind}", f"operation {order.id}"
        audit.record(session, actor=actor, action=action, subject=subject, why=why, detail=detail)
    return order.id


def _check(catalog: Catalog, order: Order) -> None:
    options = order.options
    match order.kind:
        case OperationKind.REROUTE if options.model is None or catalog.model(options.model) is None:
            raise OperationRefused("it is not said by which model of the catalog")
        case OperationKind.CHANGE_LANE if options.lane is None:
            raise OperationRefused("it is not said to which lane")
        case OperationKind.EXPORT if options.format not in FORMATS:
            raise OperationRefused(f"an export is one of {', '.join(FORMATS)}")
        case _ if not order.selection.suits(STATES[order.kind]):
            raise OperationRefused("it cannot be done to jobs in these states")
        case _:
            pass


def every(session: Session, limit: int) -> Sequence[Operation]:
    """Newest first."""
    return session.scalars(select(Operation).order_by(Operation.id.desc()).limit(limit)).all()


def one(session: Session, operation_id: UUID) -> Operation | None:
    return session.get(Operation, operation_id)


def stop(session: Session, operation_id: UUID, *, actor: str, why: str | None = None) -> bool:
    """Leave what is not done undone. Audited. False where there is none under way."""
    stopped = end(session, Operation.id == operation_id, state=OperationState.STOPPED)
    if stopped:
        audit.record(session, actor=actor, action="operation.stop", subject=f"operation {operation_id}", why=why)
    return stopped


def end(session: Session, *where: ColumnElement[bool], state: OperationState, **values: Any) -> bool:
    """Settle an operation that is under way."""
    ended = (
        update(Operation)
        .where(Operation.ended_at.is_(None), *where)
        .values(state=state, ended_at=func.clock_timestamp(), lease_until=None, **values)
        .returning(Operation.id)
        .execution_options(synchronize_session=False)
    )
    return session.execute(ended).one_or_none() is not None
