"""Keys have limits and budgets, jobs have prices, and calls that were lost come back.

Safe for the code that is still running: add, backfill, then remove, in separate releases. Forward only.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

# What is in flight by now is not counted: the release before may settle it, and would not say so here.
BUDGETS = "INSERT INTO budgets (key_id) SELECT id FROM api_keys"
# Also the release before makes keys, and knows of no budgets.
OPEN_BUDGET = """
CREATE FUNCTION open_budget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO budgets (key_id) VALUES (NEW.id);
    RETURN NULL;
END $$
"""
APPEND_ONLY = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed: write one that makes up for them', TG_TABLE_NAME;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "budgets",
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("cap", sa.Numeric(), nullable=True),
        sa.Column("cap_a_day", sa.Numeric(), nullable=True),
        sa.Column("cap_a_month", sa.Numeric(), nullable=True),
        sa.Column("most_in_flight", sa.Integer(), nullable=True),
        sa.Column("reserved", sa.Numeric(), server_default="0", nullable=False),
        sa.Column("spent", sa.Numeric(), server_default="0", nullable=False),
        sa.Column("day", sa.Date(), server_default=sa.text("CURRENT_DATE"), nullable=False),
        sa.Column("used_today", sa.Numeric(), server_default="0", nullable=False),
        sa.Column("month", sa.Date(), server_default=sa.text("CURRENT_DATE"), nullable=False),
        sa.Column("used_this_month", sa.Numeric(), server_default="0", nullable=False),
        sa.Column("in_flight", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "reserved >= 0 AND spent >= 0 AND in_flight >= 0", name=op.f("ck_budgets_sums_not_negative")
        ),
        sa.CheckConstraint(
            "used_today >= 0 AND used_this_month >= 0", name=op.f("ck_budgets_periods_not_negative")
        ),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name=op.f("fk_budgets_key_id")),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_budgets")),
        postgresql_with={"fillfactor": "50"},
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_idempotency_keys_job_id"), initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name=op.f("fk_idempotency_keys_key_id")),
        sa.PrimaryKeyConstraint("key_id", "name", name=op.f("pk_idempotency_keys")),
    )
    op.create_table(
        "postings",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.Column(
            "at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("account IN ('budget', 'reserved', 'spent')", name=op.f("ck_postings_account")),
        sa.CheckConstraint("entry IN ('reserved', 'settled', 'released')", name=op.f("ck_postings_entry")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_postings_job_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_postings")),
    )
    op.create_index(op.f("ix_postings_job_id"), "postings", ["job_id"], unique=False)
    op.create_table(
        "waiting_calls",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("fingerprint", sa.Uuid(), nullable=False),
        sa.Column("retry_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "called_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("left_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_waiting_calls_job_id")),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_waiting_calls")),
    )
    op.create_index("ix_waiting_calls_fingerprint", "waiting_calls", ["key_id", "fingerprint"], unique=False)
    op.add_column("api_keys", sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.add_column("api_keys", sa.Column("models", sa.ARRAY(sa.Text()), nullable=True))
    op.add_column("api_keys", sa.Column("requests_per_minute", sa.Integer(), nullable=True))
    op.add_column("api_keys", sa.Column("pictures_per_minute", sa.Integer(), nullable=True))
    op.add_column("api_keys", sa.Column("weight", sa.Integer(), server_default="1", nullable=False))
    op.add_column("api_keys", sa.Column("reattaches", sa.Boolean(), server_default="true", nullable=False))
    op.add_column("jobs", sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("jobs", sa.Column("unit_price", sa.Numeric(), server_default="0", nullable=False))
    op.add_column("jobs", sa.Column("price", sa.Numeric(), server_default="0", nullable=False))
    op.add_column("jobs", sa.Column("charged", sa.Numeric(), nullable=True))
    op.create_index(
        "ix_jobs_metadata",
        "jobs",
        ["metadata"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"metadata": "jsonb_path_ops"},
        postgresql_where="metadata IS NOT NULL",
    )
    op.create_index("ix_jobs_of_key", "jobs", ["key_id", "id"], unique=False)
    op.create_check_constraint("charged_within_price", "jobs", "charged <= price")
    for limit in ("requests_per_minute", "pictures_per_minute", "weight"):
        op.create_check_constraint(f"{limit}_positive", "api_keys", f"{limit} > 0")
    for column, values in (("door", "'sync', 'async'"), ("lane", "'interactive', 'async'")):
        op.drop_constraint(op.f(f"ck_jobs_{column}"), "jobs")
        op.create_check_constraint(op.f(f"ck_jobs_{column}"), "jobs", f"{column} IN ({values})")
    op.execute(BUDGETS)
    op.execute(OPEN_BUDGET)
    op.execute("CREATE TRIGGER open_budget AFTER INSERT ON api_keys FOR EACH ROW EXECUTE FUNCTION open_budget()")
    op.execute(APPEND_ONLY)
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON postings "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
