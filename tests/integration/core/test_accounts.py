"""Keys as operators look at them."""

from uuid import UUID

from sqlalchemy import insert

from core import accounts, keys
from core.bootstrap import Services
from core.orm import ApiKey


def make_keys(services: Services, number: int) -> list[UUID]:
    """Named in their order, for the eye alone."""
    made = [{"name": f"key {place:04}", "hash": b"%d" % place, "hint": "none"} for place in range(number)]
    with services.database.transaction() as session:
        return list(session.scalars(insert(ApiKey).returning(ApiKey.id, sort_by_parameter_order=True), made))


def test_a_list_to_choose_from_has_an_end_and_always_what_is_chosen(services: Services) -> None:
    made = make_keys(services, accounts.MOST + 2)

    with services.database.transaction() as session:
        found, with_last = accounts.choices(session), accounts.choices(session, made[-1])

    assert list(found.names) == made[: accounts.MOST]
    assert found.more
    assert set(with_last.names) == {*made[: accounts.MOST - 1], made[-1]}


def test_a_short_list_is_whole_and_has_keys_in_force_first(services: Services) -> None:
    revoked, in_force = make_keys(services, 2)
    with services.database.transaction() as session:
        keys.revoke(session, revoked)

        found = accounts.choices(session)

    assert list(found.names) == [in_force, revoked]
    assert not found.more
