"""Runs migrations against DATABASE_URL, one process at a time, and never waits long for a lock."""

import os
import time
from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Connection, create_engine, text

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
        connection.commit()
        wait_for_others(connection)
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            compare_server_default=True,
            render_item=render_item,
            # What one has done stays, whether or not the next one can be done.
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()


def wait_for_others(connection: Connection) -> None:
    """Ask again and again: who makes an index beside work waits for everybody who waits within a statement."""
    while not connection.scalar(text(f"SELECT pg_try_advisory_lock({LOCK})")):
        connection.commit()
        time.sleep(0.2)
    connection.commit()


main()
