"""What was paid for and nobody had: pictures whose hour is over and that were never fetched."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.orm import Session

from core.job_ids import first_id

LATELY = timedelta(hours=24)
# Of so many of the newest jobs at most.
LOOKED_AT = 20_000


@dataclass(frozen=True, slots=True)
class Abandoned:
    """Pictures, and the dollars that they cost; `capped`: there are as many, or more."""

    pictures: int
    dollars: Decimal
    capped: bool


def lately(session: Session) -> Abandoned:
    """Of jobs that came in LATELY; results of batches are not looked at picture by picture, hence left out."""
    first = first_id(datetime.now(UTC), after=-LATELY)
    last = session.execute(_LAST_LOOKED_AT, {"first": first, "most": LOOKED_AT}).scalar_one_or_none()
    row = session.execute(_ABANDONED, {"first": last or first}).one()
    return Abandoned(row.pictures, row.dollars, capped=last is not None)


# Ids begin with their time.
_LAST_LOOKED_AT = text("SELECT id FROM jobs WHERE id >= :first ORDER BY id DESC OFFSET :most - 1 LIMIT 1")
# Both tables from the same id on: read side by side, instead of looking up the pictures of each job.
_ABANDONED = text("""
SELECT count(*) AS pictures, coalesce(sum(jobs.unit_price), 0) AS dollars
FROM jobs JOIN images ON images.job_id = jobs.id
WHERE jobs.id >= :first AND images.job_id >= :first AND jobs.batch_id IS NULL
AND images.fetched_at IS NULL AND images.expires_at <= clock_timestamp()
""")
