"""Operators and what they do, workers that report, and what happened, added up.

Safe for the code that is still running: add, backfill, then remove, in separate releases. Forward only.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"

# Sums two rows of counts, element by element; the shorter one goes on with zeros.
ADD_COUNTS = """
CREATE FUNCTION add_counts(one integer[], other integer[]) RETURNS integer[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(coalesce(a, 0) + coalesce(b, 0) ORDER BY place), '{}')
    FROM unnest(one, other) WITH ORDINALITY AS pairs (a, b, place)
$$
"""


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_actor", "audit", ["actor", "id"], unique=False)
    op.create_index("ix_audit_subject", "audit", ["subject", "id"], unique=False)
    op.create_table(
        "call_counts",
        sa.Column("grain", sa.Text(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.CheckConstraint("grain IN ('minute', 'hour', 'day', 'ever')", name=op.f("ck_call_counts_grain")),
        sa.CheckConstraint(
            "outcome IN ('sent', 'accepted', 'delivered', 'refused', 'failed', 'unknown')",
            name=op.f("ck_call_counts_outcome"),
        ),
        sa.PrimaryKeyConstraint("grain", "at", "provider", "model", "outcome", name=op.f("pk_call_counts")),
    )
    op.create_table(
        "failure_counts",
        sa.Column("grain", sa.Text(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("jobs", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("grain IN ('minute', 'hour', 'day', 'ever')", name=op.f("ck_failure_counts_grain")),
        sa.CheckConstraint(
            "kind IN ('throttled', 'unavailable', 'rejected', 'moderated', 'misconfigured', 'unknown', 'store', "
            "'lost', 'internal')",
            name=op.f("ck_failure_counts_kind"),
        ),
        sa.PrimaryKeyConstraint("grain", "at", "provider", "model", "kind", name=op.f("pk_failure_counts")),
    )
    op.create_table(
        "history",
        sa.Column("grain", sa.Text(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("recorded", sa.Integer(), server_default="0", nullable=False),
        sa.Column("started", sa.Integer(), server_default="0", nullable=False),
        sa.Column("retried", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rescued", sa.Integer(), server_default="0", nullable=False),
        sa.Column("handed_over", sa.Integer(), server_default="0", nullable=False),
        sa.Column("completed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("refused", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cancelled", sa.Integer(), server_default="0", nullable=False),
        sa.Column("pictures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("charged", sa.Numeric(), server_default="0", nullable=False),
        sa.Column("waits", sa.ARRAY(sa.Integer()), server_default="{}", nullable=False),
        sa.Column("renders", sa.ARRAY(sa.Integer()), server_default="{}", nullable=False),
        sa.Column("stores", sa.ARRAY(sa.Integer()), server_default="{}", nullable=False),
        sa.Column("totals", sa.ARRAY(sa.Integer()), server_default="{}", nullable=False),
        sa.Column("wait_seconds", sa.Double(), server_default="0", nullable=False),
        sa.Column("render_seconds", sa.Double(), server_default="0", nullable=False),
        sa.Column("store_seconds", sa.Double(), server_default="0", nullable=False),
        sa.Column("total_seconds", sa.Double(), server_default="0", nullable=False),
        sa.CheckConstraint("grain IN ('minute', 'hour', 'day', 'ever')", name=op.f("ck_history_grain")),
        sa.PrimaryKeyConstraint("grain", "key_id", "at", "provider", "model", "lane", name=op.f("pk_history")),
    )
    op.create_table(
        "operations",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("selection", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("options", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("cost", sa.Numeric(), server_default="0", nullable=False),
        sa.Column("done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("skipped", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "reasons", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("position", sa.Uuid(), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("started_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("lease_until", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("ended_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "kind IN ('cancel', 'retry', 'reroute', 'change_lane', 'export')", name=op.f("ck_operations_kind")
        ),
        sa.CheckConstraint(
            "state IN ('waiting', 'running', 'done', 'stopped', 'failed')", name=op.f("ck_operations_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operations")),
    )
    op.create_index(
        "ix_operations_at_work", "operations", ["id"], unique=False, postgresql_where="ended_at IS NULL"
    )
    op.create_table(
        "provider_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column(
            "at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("event IN ('taken_out', 'back', 'throttled')", name=op.f("ck_provider_events_event")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_events")),
    )
    op.create_index("ix_provider_events_provider", "provider_events", ["provider", "id"], unique=False)
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("password", sa.Text(), nullable=False),
        sa.Column(
            "created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("disabled_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("role IN ('viewer', 'operator', 'admin')", name=op.f("ck_users_role")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("name", name=op.f("uq_users_name")),
    )
    op.create_table(
        "watermarks",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_watermarks")),
    )
    op.create_table(
        "workers",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("part", sa.Text(), server_default="worker", nullable=False),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("celery_name", sa.Text(), nullable=True),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("concurrency", sa.Integer(), nullable=False),
        sa.Column("running", sa.Integer(), server_default="0", nullable=False),
        sa.Column("jobs_done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rss", sa.BigInteger(), nullable=False),
        sa.Column("quiet", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("stopping", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("allowance", sa.Integer(), nullable=True),
        sa.Column("allowance_left", sa.Integer(), nullable=True),
        sa.Column("allowance_reset_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("allowance_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column(
            "started_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "seen_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("part IN ('worker', 'scheduler', 'clerk')", name=op.f("ck_workers_part")),
        sa.CheckConstraint(
            "(part = 'worker') = (provider IS NOT NULL)", name=op.f("ck_workers_only_workers_have_a_provider")
        ),
        sa.CheckConstraint(
            "num_nonnulls(allowance, allowance_left, allowance_reset_at, allowance_at) IN (0, 4)",
            name=op.f("ck_workers_allowance_is_whole"),
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_workers")),
    )
    op.create_table(
        "sign_ins",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("form_token", sa.Text(), nullable=False),
        sa.Column(
            "created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("seen_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sign_ins_user_id")),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_sign_ins")),
    )
    op.create_index(op.f("ix_sign_ins_user_id"), "sign_ins", ["user_id"], unique=False)
    op.add_column("api_keys", sa.Column("admin", sa.Boolean(), server_default="false", nullable=False))
    op.add_column("images", sa.Column("fetched_at", postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.add_column("jobs", sa.Column("received", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("jobs", sa.Column("delivered_at", postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.add_column("jobs", sa.Column("retry_of", sa.Uuid(), nullable=True))
    op.drop_constraint(op.f("ck_job_events_event"), "job_events")
    # Not valid: to look at all events that there are, nobody is kept from writing new ones. 0005 does it.
    op.create_check_constraint(
        op.f("ck_job_events_event"),
        "job_events",
        "event IN ('recorded', 'admitted', 'claimed', 'message_lost', 'retried', 'rescued', 'handed_over', "
        "'rerouted', 'lane_changed', 'completed', 'failed', 'cancelled')",
        postgresql_not_valid=True,
    )
    op.drop_constraint(op.f("fk_postings_job_id"), "postings", type_="foreignkey")
    op.drop_constraint(op.f("fk_postings_batch_id"), "postings", type_="foreignkey")
    op.add_column("provider_calls", sa.Column("accepted_at", postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.add_column("provider_calls", sa.Column("polls", sa.Integer(), server_default="0", nullable=False))
    op.add_column("provider_calls", sa.Column("arrived_at", postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.add_column("providers", sa.Column("draining", sa.Boolean(), server_default="false", nullable=False))
    op.add_column("providers", sa.Column("rate", sa.Text(), nullable=True))
    op.create_check_constraint(
        op.f("ck_providers_rate"),
        "providers",
        "rate ~ '^[1-9][0-9]{0,8}/([1-9][0-9]{0,4} )?(second|minute|hour|day)s?$'",
    )
    op.create_index("ix_batches_created_at", "batches", ["created_at"], unique=False)
    op.execute(ADD_COUNTS)
    op.execute("INSERT INTO watermarks (name) VALUES ('history'), ('prompts')")
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
