"""What was paid for and nobody had: pictures whose hour is over and that were never fetched."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.orm import Session

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
    row = session.execute(_ABANDONED, {"lately": -LATELY, "most": LOOKED_AT}).one()
    return Abandoned(row.pictures, row.dollars, row.looked_at >= LOOKED_AT)


# Ids begin with their time.
_ABANDONED = text("""
WITH newest AS (
    SELECT id, unit_price, batch_id FROM jobs
    WHERE id >= (SELECT uuidv7(CAST(:lately AS interval))) ORDER BY id DESC LIMIT :most
)
SELECT count(images.name) AS pictures, coalesce(sum(newest.unit_price), 0) AS dollars,
    (SELECT count(*) FROM newest) AS looked_at
FROM newest JOIN images ON images.job_id = newest.id
WHERE newest.batch_id IS NULL AND images.fetched_at IS NULL AND images.expires_at <= clock_timestamp()
""")
