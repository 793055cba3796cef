"""What looking up deliveries costs beside a long history."""

from typing import Any

import pytest
from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from core import delivery_reports, webhooks
from core.bootstrap import Services
from core.delivery_reports import Search
from core.keys import Caller
from core.orm import Delivery, Webhook
from tests import builders

HISTORY = 5000
ROWS_READ = text(
    "SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables WHERE relname = 'deliveries'"
)


@pytest.fixture
def caller(services: Services) -> Caller:
    return builders.make_caller(services)[1]


@pytest.fixture
def quiet(services: Services, caller: Caller) -> Webhook:
    """A webhook that was told one thing only, before another was told very many."""
    with services.database.transaction() as session:
        quiet, busy = (webhooks.create(session, caller.key_id, url="http://127.0.0.1", events=()) for _ in "ab")
        webhooks.ping(session, quiet)
        told = {"key_id": caller.key_id, "webhook_id": busy.id, "url": busy.url, "event": "batch.completed"}
        session.execute(insert(Delivery), [told] * HISTORY)
        session.execute(text("ANALYZE deliveries"))
    return quiet


@pytest.mark.parametrize("named", ["webhook_id", "batch_id"])
def test_what_is_looked_for_by_name_is_found_without_reading_a_keys_whole_history(
    services: Services, caller: Caller, quiet: Webhook, *, named: str
) -> None:
    wanted: dict[str, Any] = {"webhook_id": quiet.id} if named == "webhook_id" else {"batch_id": "batch_none"}

    with services.database.transaction() as session:
        before = rows_read(session)
        found = delivery_reports.page(session, caller.key_id, Search(limit=20, **wanted))
        read = rows_read(session) - before

    assert [each.delivery.event for each in found] == ["webhook.ping"] * (named == "webhook_id")
    assert read < 100


def rows_read(session: Session) -> int:
    return int(session.execute(ROWS_READ).scalar_one())
