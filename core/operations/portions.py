"""Does an operation by portions of jobs: its place is recorded with what was done, so each job is done once."""

from collections import Counter
from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from core.catalog import Catalog
from core.operations.deeds import DEEDS, UNSUITED, Done
from core.operations.orders import STATES, end
from core.operations.selections import Selection
from core.orm import Operation
from core.searches.matches import Look
from core.states import OperationKind, OperationState

# Whoever is at work on an operation and was not heard of for this long has lost it.
LEASE = timedelta(seconds=15)
# Jobs of a portion: those that are made again hold up their key's other requests until it is committed.
MOST, MOST_AGAIN = 200, 20


def take(session: Session, kinds: Collection[OperationKind] = tuple(OperationKind)) -> Operation | None:
    """The oldest operation of these kinds that nobody is at work on; it is the taker's for as long as LEASE."""
    free = or_(Operation.lease_until.is_(None), Operation.lease_until < func.clock_timestamp())
    first = (
        select(Operation.id)
        .where(Operation.ended_at.is_(None), Operation.kind.in_(kinds), free)
        .order_by(Operation.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    return session.scalar(
        update(Operation)
        .where(Operation.id == first.scalar_subquery())
        .values(
            state=OperationState.RUNNING,
            started_at=func.coalesce(Operation.started_at, func.clock_timestamp()),
            lease_until=func.clock_timestamp() + LEASE,
        )
        .returning(Operation)
        .execution_options(populate_existing=True)
    )


def next_portion(session: Session, operation: Operation) -> Look:
    """The jobs that come next."""
    anew = operation.kind in {OperationKind.RETRY, OperationKind.REROUTE}
    selection = Selection.from_json(operation.selection)
    most = MOST_AGAIN if anew else MOST
    return selection.portion(session, STATES[operation.kind], after=operation.position, most=most)


def advance(session: Session, catalog: Catalog, operation: Operation, portion: Look) -> Done | None:
    """Do a portion, and record that; None where the operation was stopped, or is somebody else's by now."""
    mine = Operation.position.is_not_distinct_from(operation.position)
    held = session.scalar(
        select(Operation).where(Operation.id == operation.id, Operation.ended_at.is_(None), mine).with_for_update()
    )
    if held is None:
        return None
    done = DEEDS[held.kind](session, catalog, held, portion.ids)
    skipped = len(portion.ids) - done.done
    done.reasons[UNSUITED[held.kind]] += skipped - done.reasons.total()
    held.done += done.done
    held.skipped += skipped
    held.reasons = dict(Counter(held.reasons) + done.reasons)
    held.position = portion.last
    held.lease_until = func.clock_timestamp() + LEASE
    session.flush()
    if portion.last is None:
        end(session, Operation.id == held.id, state=OperationState.DONE)
    return done
