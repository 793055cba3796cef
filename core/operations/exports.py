"""Writes jobs out for spreadsheets and scripts: an object of the store, which is kept for a day."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core.database import Database
from core.operations.orders import STATES, Options, end
from core.operations.portions import LEASE, MOST
from core.operations.selections import Selection
from core.orm import Job, Operation
from core.states import OperationKind, OperationState
from core.storage import Storage

KEPT = timedelta(days=1)
# A spreadsheet takes a cell that begins so for a formula, and does what it says: also in full width (U+FF1D, …).
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


class Stopped(Exception):
    """The operation is under way no more."""


def export(database: Database, storage: Storage, operation: Operation, *, goes_on: Callable[[], bool]) -> None:
    """Write them all, from the first: what a process that died had written was never there."""
    options = Options.from_json(operation.options)
    key = f"exports/{operation.id}.{options.format}"
    try:
        storage.put_pieces(key, _pieces(database, operation, options, goes_on=goes_on))
    except Stopped:
        return
    with database.transaction() as session:
        end(session, Operation.id == operation.id, state=OperationState.DONE, result=key)
        is_kept = session.scalar(select(Operation.result).where(Operation.id == operation.id)) == key
    if not is_kept:  # it was stopped in the last moment
        storage.remove([key])


def sweep(database: Database, storage: Storage) -> int:
    """Delete exports whose day is over; how many."""
    old = Operation.ended_at < func.clock_timestamp() - KEPT
    with database.transaction() as session:
        rows = session.execute(
            select(Operation.id, Operation.result).where(Operation.result.is_not(None), old)
        ).all()
    storage.remove(row.result for row in rows)
    with database.transaction() as session:
        session.execute(update(Operation).where(Operation.id.in_([row.id for row in rows])).values(result=None))
    return len(rows)


def _pieces(
    database: Database, operation: Operation, options: Options, *, goes_on: Callable[[], bool]
) -> Iterator[bytes]:
    written, after, more = 0, None, True
    if options.format == "csv":
        yield _csv([_columns(options)])
    while more:
        if not goes_on():
            raise Stopped
        with database.transaction() as session:
            portion = Selection.from_json(operation.selection).portion(
                session, STATES[OperationKind.EXPORT], after=after, most=MOST
            )
            rows = _rows(session, portion.ids, options)
            written += len(rows)
            _keep(session, operation.id, written)
        yield _csv([list(row.values()) for row in rows]) if options.format == "csv" else _lines(rows)
        after, more = portion.last, portion.last is not None


def _keep(session: Session, operation_id: UUID, written: int) -> None:
    """Say how far it is. Raises Stopped."""
    kept = session.execute(
        update(Operation)
        .where(Operation.id == operation_id, Operation.ended_at.is_(None))
        .values(done=written, lease_until=func.clock_timestamp() + LEASE)
        .returning(Operation.id)
    )
    if kept.one_or_none() is None:
        raise Stopped


_WRITTEN: Mapping[str, Callable[[Job], Any]] = {
    "id": lambda job: job.id,
    "state": lambda job: job.state.value,
    "provider": lambda job: job.provider,
    "model": lambda job: job.model,
    "lane": lambda job: job.lane.value,
    "door": lambda job: job.door.value,
    "key_id": lambda job: job.key_id,
    "batch_id": lambda job: job.batch_id,
    "custom_id": lambda job: job.custom_id,
    "request_id": lambda job: job.request_id,
    "retry_of": lambda job: job.retry_of,
    "n": lambda job: job.request["n"],
    "size": lambda job: job.request["size"],
    "quality": lambda job: job.request["quality"],
    "attempts": lambda job: job.attempt,
    "price": lambda job: job.price,
    "charged": lambda job: job.charged,
    "error": lambda job: job.error and job.error["kind"],
    "created_at": lambda job: job.created_at.isoformat(),
    "settled_at": lambda job: job.settled_at and job.settled_at.isoformat(),
    "prompt": lambda job: job.request["prompt"],
}


def _columns(options: Options) -> list[str]:
    return [name for name in _WRITTEN if name != "prompt" or options.prompts]


def _rows(session: Session, job_ids: Sequence[UUID], options: Options) -> list[dict[str, Any]]:
    jobs = session.scalars(select(Job).where(Job.id.in_(job_ids)).order_by(Job.id))
    return [{name: _WRITTEN[name](job) for name in _columns(options)} for job in jobs]


def _lines(rows: Sequence[Mapping[str, Any]]) -> bytes:
    return "".join(f"{json.dumps(row, default=str, ensure_ascii=False)}\n" for row in rows).encode()


def _csv(rows: Sequence[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([[_cell(value) for value in row] for row in rows])
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    """Defused by an apostrophe, as OWASP has it."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULAS) else text
