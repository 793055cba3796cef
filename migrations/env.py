"""Runs migrations against DATABASE_URL, one process at a time, and never waits long for a lock."""

import os
from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import create_engine, text

from core.orm import Base, Closed

LOCK = 7291  # any number, the same in every process


def render_item(type_: str, item: Any, _: AutogenContext) -> str | Literal[False]:
    """Keep migrations free of the product's own classes, which change while a migration does not."""
    return "sa.Text()" if type_ == "type" and isinstance(item, Closed) else False


def main() -> None:
    engine = create_engine(os.environ["DATABASE_URL"])
    with engine.connect() as connection:
        # A change that cannot have its table at once must not queue all traffic up behind it.
        connection.execute(text("SET lock_timeout = '4s'"))
        connection.execute(text(f"SELECT pg_advisory_lock({LOCK})"))
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            compare_server_default=True,
            render_item=render_item,
        )
        with context.begin_transaction():
            context.run_migrations()


main()
