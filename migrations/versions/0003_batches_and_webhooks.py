"""Files and batches of jobs, lanes with priorities, and events that are told to webhooks.

Safe for the code that is still running: add, backfill, then remove, in separate releases. Forward only.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "batches",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), server_default="validating", nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("completion_window", sa.Text(), nullable=False),
        sa.Column("input_file_id", sa.Text(), nullable=False),
        sa.Column("output_file_id", sa.Text(), nullable=True),
        sa.Column("error_file_id", sa.Text(), nullable=True),
        sa.Column("retry_of", sa.Text(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("errors", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("paused", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("output_seconds", sa.Integer(), nullable=False),
        sa.Column("price", sa.Numeric(), server_default="0", nullable=False),
        sa.Column("charged", sa.Numeric(), server_default="0", nullable=False),
        sa.Column("read_lines", sa.Integer(), server_default="0", nullable=False),
        sa.Column("read_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("total", sa.Integer(), server_default="0", nullable=False),
        sa.Column("completed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cancelled", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "created_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("in_progress_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("finalizing_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("cancelling_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("ended_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('validating', 'in_progress', 'finalizing', 'completed', 'failed', 'expired', "
            "'cancelling', 'cancelled')",
            name=op.f("ck_batches_status"),
        ),
        sa.CheckConstraint("completed + failed + cancelled <= total", name=op.f("ck_batches_counts_within_total")),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name=op.f("fk_batches_key_id")),
        sa.ForeignKeyConstraint(["retry_of"], ["batches.id"], name=op.f("fk_batches_retry_of")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batches")),
    )
    op.create_index("ix_batches_at_work", "batches", ["status"], unique=False, postgresql_where="ended_at IS NULL")
    op.create_index("ix_batches_of_key", "batches", ["key_id", "created_at", "id"], unique=False)
    op.create_table(
        "files",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("deleted_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("swept_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name=op.f("fk_files_key_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_files")),
    )
    op.create_index("ix_files_of_key", "files", ["key_id", "created_at", "id"], unique=False)
    op.create_index("ix_files_unswept", "files", ["expires_at"], unique=False, postgresql_where="swept_at IS NULL")
    op.create_table(
        "webhooks",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("old_secret", sa.Text(), nullable=True),
        sa.Column("old_secret_until", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column(
            "created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("disabled_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("deleted_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name=op.f("fk_webhooks_key_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
    )
    op.create_index("ix_webhooks_key_id", "webhooks", ["key_id"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("webhook_id", sa.Uuid(), nullable=True),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("batch_id", sa.Text(), nullable=True),
        sa.Column("by_hand", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "due_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "created_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("ended_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('pending', 'delivered', 'failed')", name=op.f("ck_deliveries_state")),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("fk_deliveries_batch_id")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_deliveries_job_id")),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name=op.f("fk_deliveries_key_id")),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhooks.id"], name=op.f("fk_deliveries_webhook_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
    )
    op.create_index(
        "ix_deliveries_due", "deliveries", ["due_at"], unique=False, postgresql_where="state = 'pending'"
    )
    op.create_index("ix_deliveries_of_key", "deliveries", ["key_id", "id"], unique=False)
    op.create_index(
        "ix_deliveries_of_webhook",
        "deliveries",
        ["webhook_id", "id"],
        unique=False,
        postgresql_where="webhook_id IS NOT NULL",
    )
    op.create_index(
        "ix_deliveries_batch_id", "deliveries", ["batch_id"], unique=False, postgresql_where="batch_id IS NOT NULL"
    )
    op.create_table(
        "forecasts",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column(
            "at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("expected_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_forecasts_job_id")),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_forecasts")),
    )
    op.create_table(
        "delivery_tries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column(
            "at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name=op.f("fk_delivery_tries_delivery_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_tries")),
    )
    op.create_index(op.f("ix_delivery_tries_delivery_id"), "delivery_tries", ["delivery_id"], unique=False)
    op.add_column("images", sa.Column("kept_until", postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.drop_index(op.f("ix_images_unswept"), table_name="images", postgresql_where="(swept_at IS NULL)")
    op.create_index(
        "ix_images_unswept",
        "images",
        [sa.literal_column("coalesce(kept_until, expires_at)")],
        unique=False,
        postgresql_where="swept_at IS NULL",
    )
    op.add_column("jobs", sa.Column("batch_id", sa.Text(), nullable=True))
    op.add_column("jobs", sa.Column("line", sa.Integer(), nullable=True))
    op.add_column("jobs", sa.Column("custom_id", sa.Text(), nullable=True))
    op.add_column("jobs", sa.Column("webhook_url", sa.Text(), nullable=True))
    op.add_column("jobs", sa.Column("priority", sa.Integer(), server_default="0", nullable=False))
    op.add_column("jobs", sa.Column("held", sa.Boolean(), server_default="false", nullable=False))
    op.add_column("jobs", sa.Column("granted", sa.Integer(), nullable=True))
    op.drop_index(op.f("ix_jobs_queue"), table_name="jobs", postgresql_where="(state = 'queued'::text)")
    op.create_index(
        "ix_jobs_queue",
        "jobs",
        ["provider", "lane", "key_id", sa.literal_column("priority DESC"), "run_after", "id"],
        unique=False,
        postgresql_where="state = 'queued' AND NOT held",
    )
    op.create_index(
        "uq_jobs_line", "jobs", ["batch_id", "line"], unique=True, postgresql_where="batch_id IS NOT NULL"
    )
    op.create_foreign_key(op.f("fk_jobs_batch_id"), "jobs", "batches", ["batch_id"], ["id"])
    op.add_column("postings", sa.Column("batch_id", sa.Text(), nullable=True))
    op.alter_column("postings", "job_id", existing_type=sa.UUID(), nullable=True)
    op.create_index(
        "ix_postings_batch_id", "postings", ["batch_id"], unique=False, postgresql_where="batch_id IS NOT NULL"
    )
    op.create_foreign_key(op.f("fk_postings_batch_id"), "postings", "batches", ["batch_id"], ["id"])
    op.create_check_constraint("batch_has_lines", "jobs", "(batch_id IS NULL) = (line IS NULL)")
    op.create_check_constraint("posting_has_a_cause", "postings", "num_nonnulls(job_id, batch_id) > 0")
    for column, values in (("door", "'sync', 'async', 'batch'"), ("lane", "'interactive', 'async', 'batch'")):
        op.drop_constraint(op.f(f"ck_jobs_{column}"), "jobs")
        op.create_check_constraint(op.f(f"ck_jobs_{column}"), "jobs", f"{column} IN ({values})")
