from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from core import keys
from core.bootstrap import Services
from core.errors import KeyExpired
from core.keys import Caller, KeyLimits
from core.orm import Budget
from tests import builders

LIMITED = KeyLimits(
    models=("dall-e-2", "dall-e-3"),
    requests_per_minute=60,
    pictures_per_minute=100,
    most_in_flight=5,
    cap=Decimal("10.50"),
    cap_a_day=Decimal(1),
    cap_a_month=Decimal("5.25"),
    weight=3,
    reattaches=False,
)


def find(services: Services, key: str) -> Caller | None:
    with services.database.transaction() as session:
        return keys.find(session, key)


def test_a_key_finds_its_owner(services: Services) -> None:
    key, caller = builders.make_caller(services)
    other, _ = builders.make_caller(services)

    assert key.startswith("sk-darkroom-")
    assert key != other
    assert find(services, key) == caller
    assert caller.name == "tester"


def test_a_key_that_was_never_made_finds_nobody(services: Services) -> None:
    key, _ = builders.make_caller(services)

    for wrong in ("", key[:-1], key + "a", key.upper(), " " + key, "clé\0"):
        assert find(services, wrong) is None


def test_the_database_holds_nothing_that_opens_the_door(services: Services) -> None:
    key, _ = builders.make_caller(services)

    with services.database.transaction() as session:
        (row,) = session.execute(text("SELECT api_keys::text AS kept FROM api_keys"))

    secret = key.removeprefix("sk-darkroom-")
    pieces = {secret[start : start + 6] for start in range(len(secret) - 5)}
    assert not {piece for piece in pieces if piece in row.kept or piece.encode().hex() in row.kept}
    assert key[-4:] in row.kept


def test_a_revoked_key_is_shut_out_and_stays_listed(services: Services) -> None:
    key, caller = builders.make_caller(services)

    with services.database.transaction() as session:
        assert keys.revoke(session, caller.key_id)

    assert find(services, key) is None
    with services.database.transaction() as session:
        (listed,) = keys.every(session)
    assert (listed.id, listed.hint) == (caller.key_id, key[-4:])
    assert listed.revoked_at is not None


def test_a_key_is_revoked_once_and_alone(services: Services) -> None:
    key, caller = builders.make_caller(services)
    _, other = builders.make_caller(services)

    with services.database.transaction() as session:
        assert keys.revoke(session, other.key_id)
        assert not keys.revoke(session, other.key_id)
        assert not keys.revoke(session, uuid4())

    assert find(services, key) == caller


def test_keys_are_listed_oldest_first(services: Services) -> None:
    made = [builders.make_caller(services)[1].key_id for _ in range(3)]

    with services.database.transaction() as session:
        assert [key.id for key in keys.every(session)] == made


def create(services: Services, limits: KeyLimits) -> tuple[str, Caller]:
    with services.database.transaction() as session:
        key = keys.create(session, "limited", limits)
    caller = find(services, key)
    assert caller
    return key, caller


def change(services: Services, key_id: UUID, **given: Any) -> bool:
    with services.database.transaction() as session:
        return keys.change(session, key_id, given)


def test_a_key_is_made_with_its_limits_and_its_budget(services: Services) -> None:
    _, caller = create(services, LIMITED)

    assert caller == Caller(caller.key_id, "limited", ("dall-e-2", "dall-e-3"), 60, 100, reattaches=False)
    with services.database.transaction() as session:
        key, budget = keys.get(session, caller.key_id), session.get_one(Budget, caller.key_id)
    assert key
    assert key.weight == 3
    assert (budget.most_in_flight, budget.cap, budget.cap_a_day, budget.cap_a_month) == (
        5,
        Decimal("10.50"),
        Decimal(1),
        Decimal("5.25"),
    )


def test_a_key_without_limits_has_a_budget_without_caps(services: Services) -> None:
    _, caller = builders.make_caller(services)

    assert caller == Caller(caller.key_id, "tester")
    with services.database.transaction() as session:
        budget = session.get_one(Budget, caller.key_id)
    assert (budget.cap, budget.cap_a_day, budget.cap_a_month, budget.most_in_flight) == (None, None, None, None)


def test_only_the_limits_that_are_given_are_changed(services: Services) -> None:
    key, caller = create(services, LIMITED)

    assert change(services, caller.key_id, requests_per_minute=None, cap=Decimal(20), models=("flux-1-pro",))

    assert find(services, key) == Caller(caller.key_id, "limited", ("flux-1-pro",), None, 100, reattaches=False)
    with services.database.transaction() as session:
        budget = session.get_one(Budget, caller.key_id)
    assert (budget.cap, budget.cap_a_day, budget.most_in_flight) == (Decimal(20), Decimal(1), 5)


def test_a_key_that_never_was_cannot_be_changed(services: Services) -> None:
    _, other = create(services, LIMITED)

    assert not change(services, uuid4(), cap=None)
    with services.database.transaction() as session:
        assert session.get_one(Budget, other.key_id).cap == Decimal("10.50")


def test_a_key_whose_time_is_over_says_so_and_can_be_given_more(services: Services) -> None:
    key, caller = create(services, LIMITED)
    with services.database.transaction() as session:
        moment = builders.now(session)

    assert change(services, caller.key_id, expires_at=moment)
    with pytest.raises(KeyExpired):
        find(services, key)

    assert change(services, caller.key_id, expires_at=moment + timedelta(days=1))
    assert find(services, key) == caller


def test_a_revoked_key_is_unknown_even_when_its_time_is_over(services: Services) -> None:
    key, caller = create(services, LIMITED)
    with services.database.transaction() as session:
        assert keys.change(session, caller.key_id, {"expires_at": builders.now(session)})
        assert keys.revoke(session, caller.key_id)

    assert find(services, key) is None


def test_a_secret_from_elsewhere_opens_the_door_once(services: Services) -> None:
    with services.database.transaction() as session:
        assert keys.create(session, "moved here", secret="My API Key") == "My API Key"

    caller = find(services, "My API Key")
    assert caller
    assert caller.name == "moved here"
    with pytest.raises(IntegrityError), services.database.transaction() as session:
        keys.create(session, "a twin", secret="My API Key")


@pytest.mark.parametrize("limit", ["requests_per_minute", "pictures_per_minute", "weight"])
def test_the_database_takes_no_limit_that_lets_nothing_through(services: Services, limit: str) -> None:
    _, caller = builders.make_caller(services)

    with pytest.raises(IntegrityError):
        change(services, caller.key_id, **{limit: 0})
