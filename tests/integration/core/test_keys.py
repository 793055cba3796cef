from uuid import uuid4

from sqlalchemy import text

from core import keys
from core.bootstrap import Services
from core.keys import Caller
from tests import builders


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
