"""What callers really got: when an answer had left, and when a picture was first fetched."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ARRAY, Interval, Text, Uuid, func, update
from sqlalchemy.orm import Session

from core.database import run
from core.orm import Image, Job, table_of
from core.statements import Fixed, Given, Step, fixed


def _first(table: type[Job] | type[Image], key: str, column: str, type_: type[Uuid[UUID]] | type[Text]) -> Fixed:
    """Puts a moment, by how long ago it was, into rows that have none yet."""
    rows = table_of(table)
    given = (
        func.unnest(Given("keys", ARRAY(type_)), Given("ages", ARRAY(Interval)))
        .table_valued("key", "age")
        .render_derived()
    )
    return fixed(
        update(rows)
        .where(rows.c[key] == given.c.key, rows.c[column].is_(None))
        .values({column: func.clock_timestamp() - given.c.age})
    )


_DELIVER = _first(Job, "id", "delivered_at", Uuid)
_FETCH = _first(Image, "name", "fetched_at", Text)


def deliver(session: Session, ages: Mapping[UUID, timedelta]) -> None:
    """Put on record that the answers of calls that waited for these jobs have left, so long ago."""
    run(session, Step(_DELIVER, {"keys": list(ages), "ages": list(ages.values())}))


def fetch(session: Session, ages: Mapping[str, timedelta]) -> None:
    """Put on record that somebody has had the pictures of these names, so long ago."""
    run(session, Step(_FETCH, {"keys": list(ages), "ages": list(ages.values())}))
