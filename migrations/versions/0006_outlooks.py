"""When batches were first expected to end, and an index of jobs that were cancelled in the middle of their calls.

The index is made beside work that goes on. Where that was broken off, all of it is done again.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"

NAME = "ix_jobs_called_off"
WHAT = "jobs (provider, settled_at) WHERE state = 'cancelled' AND granted IS NOT NULL"


def upgrade() -> None:
    expected_at = sa.Column("expected_at", postgresql.TIMESTAMP(timezone=True), nullable=True)
    op.add_column("batches", expected_at, if_not_exists=True)
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")  # it waits for transactions that are older, and lets all others pass
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {NAME}")
        op.execute(f"CREATE INDEX CONCURRENTLY {NAME} ON {WHAT}")
        op.execute("RESET lock_timeout")
