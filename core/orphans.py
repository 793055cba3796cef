"""Compares the store with the ledger: objects that no row knows, rows whose object is gone, uploads without end.

Neither side has to fit into memory: the store is listed into a table of this connection alone, where Postgres
compares.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, islice

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from core.database import Database, copy
from core.storage import Storage, StoredObject

# A younger object may be about to get its row.
GRACE = timedelta(days=1)
PORTION = 1000
# All that Darkroom ever writes. Whatever else is in the bucket is somebody else's, and none of our business.
PREFIXES = ("2", "batches/", "doctor/", "exports/", "files/")
_OURS = re.compile(
    r"(\d{4}/\d\d/\d\d/\d\d|batches/batch_[0-9a-f]{32})/img-[A-Za-z0-9]{24}\.png"
    r"|batches/batch_[0-9a-f]{32}/(output|error)\.jsonl"
    r"|files/file-[A-Za-z0-9]{22}"
    r"|exports/[0-9a-f-]{36}\.(csv|jsonl)"
    r"|doctor/[0-9a-f-]{36}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How many objects there are, and are orphans; how many rows are `lost`, and some of their keys."""

    objects: int
    orphans: int
    orphan_bytes: int
    lost: int
    examples: list[str]


def compare(database: Database, storage: Storage, *, mend: bool = False, grace: timedelta = GRACE) -> Comparison:
    """Look at all that is there; with `mend`, take the orphans away. Raises StoreUnavailable."""
    with database.single() as session:
        session.execute(text("CREATE TEMP TABLE listed (key text, bytes bigint, modified_at timestamptz)"))
        try:
            return _compare(session, storage, mend=mend, grace=grace)
        finally:
            session.execute(text("DROP TABLE listed"))


def abort_uploads(storage: Storage, *, grace: timedelta = GRACE) -> int:
    """Give up uploads that were begun so long ago and never ended; how many. Raises StoreUnavailable.

    As whoever is killed at one leaves behind, or a store that goes away: their parts are in no listing.
    """
    begun_before = datetime.now(UTC) - grace
    left = [each for each in storage.unfinished() if _OURS.fullmatch(each.key) and each.begun_at < begun_before]
    for each in left:
        storage.abort(each)
    return len(left)


def _compare(session: Session, storage: Storage, *, mend: bool, grace: timedelta) -> Comparison:
    begun = session.execute(select(func.clock_timestamp())).scalar_one()
    objects = _list(session, storage)
    session.execute(text("ANALYZE listed"))
    lost = session.execute(_LOST, {"begun": begun}).all()
    session.execute(_PASS_BY_YOUNG, {"young": begun - grace})
    session.execute(_PASS_BY_KNOWN)
    orphans, orphan_bytes = session.execute(_SUM).one()
    if mend:
        _remove(session, storage)
    return Comparison(
        objects=objects,
        orphans=orphans,
        orphan_bytes=orphan_bytes,
        lost=lost[0].total if lost else 0,
        examples=[row.object_key for row in lost],
    )


def _list(session: Session, storage: Storage) -> int:
    """Put what is in the store into `listed`; how much that is."""
    found = chain.from_iterable(storage.objects(prefix) for prefix in PREFIXES)
    ours = (each for each in found if _OURS.fullmatch(each.key))
    total = 0
    while portion := list(islice(ours, PORTION)):
        copy(session, "listed", StoredObject._fields, portion)
        total += len(portion)
    return total


def _remove(session: Session, storage: Storage) -> None:
    while keys := session.scalars(_TAKE, {"most": PORTION}).all():
        storage.remove(keys)


# Of what was there before the listing began, and is to be there even now that it has ended.
_LOST = text("""
SELECT object_key, count(*) OVER () AS total FROM (
    SELECT object_key FROM images
    WHERE swept_at IS NULL AND created_at < :begun AND coalesce(kept_until, expires_at) > clock_timestamp()
    UNION ALL
    SELECT object_key FROM files
    WHERE swept_at IS NULL AND created_at < :begun AND (expires_at IS NULL OR expires_at > clock_timestamp())
) AS kept
WHERE NOT EXISTS (SELECT FROM listed WHERE key = object_key)
LIMIT 5
""")

_PASS_BY_YOUNG = text("DELETE FROM listed WHERE modified_at >= :young")

_PASS_BY_KNOWN = text("""
DELETE FROM listed USING (
    SELECT object_key FROM images WHERE swept_at IS NULL
    UNION ALL
    SELECT object_key FROM files WHERE swept_at IS NULL
    UNION ALL
    SELECT result FROM operations WHERE result IS NOT NULL
) AS known
WHERE key = object_key
""")

_SUM = text("SELECT count(*), CAST(coalesce(sum(bytes), 0) AS bigint) FROM listed")

_TAKE = text("DELETE FROM listed WHERE key = ANY(ARRAY(SELECT key FROM listed LIMIT :most)) RETURNING key")
