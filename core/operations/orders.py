"""What operators have done to many jobs: foreseen, ordered, looked at, stopped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from core import audit
from core.catalog import Catalog
from core.errors import DarkroomError
from core.generation import Size
from core.operations.again import fitted
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
    """What is to be done, and to which jobs."""

    kind: OperationKind
    selection: Selection
    options: Options = Options()


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
    """Have it done in the background, to jobs that are there now. Audited. Raises OperationRefused."""
    foreseen = preview(session, catalog, order)
    operation = Operation(
        kind=order.kind,
        actor=actor,
        why=why or None,
        selection=order.selection.to_json(),
        options=order.options.to_json(),
        total=foreseen.total,
        cost=foreseen.cost,
    )
    session.add(operation)
    session.flush()
    detail = {"selection": operation.selection, "options": operation.options, "total": foreseen.total}
    subject = f"operation {operation.id}"
    audit.record(session, actor=actor, action=f"jobs.{order.kind}", subject=subject, why=why, detail=detail)
    return operation.id


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
