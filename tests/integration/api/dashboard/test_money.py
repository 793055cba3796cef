"""/ops/money: what was spent, set aside, and is in doubt."""

import pytest
from sqlalchemy import func, update

from api.dashboard.wording import dollars
from core import calls
from core.bootstrap import Services
from core.orm import Image
from tests import builders
from tests.integration.api import lives
from tests.integration.api.dashboard.conftest import Visitor, add_up
from tests.integration.api.lives import Owner


def test_what_was_spent_is_told_by_provider_model_and_key(
    services: Services, owner: Owner, viewer: Visitor
) -> None:
    claim = lives.start(services, lives.begin(services, owner))
    lives.land(services, claim, 0)
    lives.complete(services, claim)
    add_up(services)

    charged = dollars(builders.job_of(services, claim.job_id).charged)
    assert f"Spent, 30d {charged}" in viewer.get(f"/ops/money?key={owner.key_id}")
    assert f"openai {charged} 100.0 % 1" in viewer.get(f"/ops/money?key={owner.key_id}&by=provider")
    assert f"dall-e-2 {charged}" in viewer.get(f"/ops/money?key={owner.key_id}&by=model&window=24h")
    assert f"tester {charged}" in viewer.get(f"/ops/money?key={owner.key_id}&by=key")
    assert "Nothing was spent in this window." in viewer.get("/ops/money?provider=nobody")


def test_what_is_reserved_and_what_may_have_been_charged_is_told(
    services: Services, owner: Owner, viewer: Visitor
) -> None:
    claim = lives.start(services, lives.begin(services, owner))
    with services.database.transaction() as session:
        calls.open_call(session, claim, positions=[0])
        calls.give_up_calls(session, claim.job_id)

    page = viewer.get("/ops/money")

    price = dollars(builders.job_of(services, claim.job_id).price)
    assert f"Reserved now {price}" in page
    assert f"In doubt {price}" in page


def test_what_nobody_fetched_within_its_hour_is_told(services: Services, owner: Owner, viewer: Visitor) -> None:
    claims = [lives.start(services, lives.begin(services, owner)) for _ in range(2)]
    for claim in claims:
        lives.land(services, claim, 0)
        lives.complete(services, claim)
    fetched, left = (claim.job_id for claim in claims)
    with services.database.transaction() as session:
        now = func.now()
        session.execute(update(Image).values(expires_at=now).where(Image.job_id.in_([fetched, left])))
        session.execute(update(Image).values(fetched_at=now).where(Image.job_id == fetched))

    page = viewer.get("/ops/money")

    price = dollars(builders.job_of(services, left).unit_price)
    assert f"Abandoned, 24 h {price} 1 pictures nobody fetched" in page


@pytest.mark.parametrize("query", ["window=ever", "by=mood", "key=mine", "provider=%00"])
def test_what_cannot_be_shown_is_refused(viewer: Visitor, query: str) -> None:
    assert viewer.client.get(f"/ops/money?{query}").status_code == 400
