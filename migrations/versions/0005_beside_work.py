"""Indexes and a check over tables that may be large, made beside work that goes on: nobody waits for them.

In 0004 they would have held its locks for as long as they take to read those tables. Each is committed by itself:
where this was broken off it goes on with the one that was not made to its end.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

INDEXES = {
    "ix_deliveries_job_id": "deliveries (job_id) WHERE job_id IS NOT NULL",
    "ix_idempotency_keys_job_id": "idempotency_keys (job_id)",
    "ix_jobs_not_completed": "jobs (state, id) WHERE state <> 'completed'",
    "ix_jobs_request_id": "jobs (request_id text_pattern_ops) WHERE door <> 'batch'",
    "ix_jobs_retry_of": "jobs (retry_of) WHERE retry_of IS NOT NULL",
    "ix_provider_calls_unknown": "provider_calls (job_id) WHERE outcome = 'unknown'",
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # They wait for transactions that are older, and let all others pass: there is no hurry.
        op.execute("SET lock_timeout = 0")
        for name, what in INDEXES.items():
            if not _is_whole(name):
                op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
                op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {what}")
        op.execute("ALTER TABLE job_events VALIDATE CONSTRAINT ck_job_events_event")
        op.execute("RESET lock_timeout")


def _is_whole(index: str) -> bool:
    valid = sa.text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:index)")
    return bool(op.get_bind().scalar(valid, {"index": index}))
