"""What happened ever: counters that never go down, for /metrics."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, select
from sqlalchemy.orm import Session

from core.history.counting import EVERYBODY
from core.orm import Base, CallCount, FailureCount, History, table_of
from core.states import Grain


@dataclass(frozen=True, slots=True)
class Totals:
    """Of all keys together, rows with the columns of their tables from `provider` on.

    Jobs are told by lane, their failures by kind, calls by outcome; each by provider and model.
    """

    jobs: Sequence[Row[Any]]
    failures: Sequence[Row[Any]]
    calls: Sequence[Row[Any]]


def totals(session: Session) -> Totals:
    return Totals(*(session.execute(_ever(table)).all() for table in (History, FailureCount, CallCount)))


def _ever(entity: type[Base]) -> Select[Any]:
    table = table_of(entity)
    # Without `at`: Python has no word for the beginning of time.
    query = select(*(column for column in table.columns if column.name not in {"grain", "at", "key_id"}))
    return query.where(
        table.c.grain == Grain.EVER, *([table.c.key_id == EVERYBODY] if "key_id" in table.c else [])
    )
