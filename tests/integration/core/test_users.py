from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from core import users
from core.bootstrap import Services
from core.orm import SignIn, User
from core.states import Role
from core.users import UserRefused
from tests.stack import until

PASSWORD = "a rather long one"


def make_user(services: Services, name: str = "ada") -> None:
    with services.database.transaction() as session:
        users.create(session, name, Role.OPERATOR, PASSWORD)


def authenticate(session: Session, name: str, password: str) -> User | None:
    user = users.named(session, name)
    return user if users.is_password(user, password) else None


def sign_in(session: Session, *, seconds: float = 60) -> users.NewSignIn:
    return users.sign_in(session, session.scalars(select(User)).one(), seconds=seconds)


def test_a_user_is_known_by_name_and_password(services: Services) -> None:
    make_user(services)

    with services.database.transaction() as session:
        known = authenticate(session, "ada", PASSWORD)

        assert known
        assert (known.name, known.role) == ("ada", Role.OPERATOR)
        assert PASSWORD not in known.password
        assert authenticate(session, "ada", PASSWORD + "!") is None
        assert authenticate(session, "bob", PASSWORD) is None
        assert authenticate(session, "bob", "") is None


@pytest.mark.parametrize(
    ("name", "password"),
    [("bob", "too short"), ("ada", PASSWORD), (" ", PASSWORD), ("cli", PASSWORD), ("stranger", PASSWORD)],
)
def test_short_passwords_and_names_that_are_taken_are_refused(
    services: Services, name: str, password: str
) -> None:
    make_user(services)

    with services.database.transaction() as session, pytest.raises(UserRefused):
        users.create(session, name, Role.VIEWER, password)


def test_a_browser_is_known_until_its_time_is_over(services: Services) -> None:
    make_user(services)

    with services.database.transaction() as session:
        valid, over = sign_in(session), sign_in(session, seconds=-1)

        found = users.find(session, valid.token)

        assert found
        assert (found.name, found.role, found.form_token) == ("ada", Role.OPERATOR, valid.form_token)
        assert users.find(session, over.token) is None
        assert users.find(session, valid.form_token) is None


def test_a_browser_that_signed_out_is_a_strangers(services: Services) -> None:
    make_user(services)

    with services.database.transaction() as session:
        mine, other = sign_in(session), sign_in(session)
        users.sign_out(session, mine.token)

        assert users.find(session, mine.token) is None
        assert users.find(session, other.token)


def test_a_token_cannot_be_read_from_the_database(services: Services) -> None:
    make_user(services)

    with services.database.transaction() as session:
        token = sign_in(session).token
        (row,) = session.scalars(select(SignIn))

    assert token.encode() not in row.hash


def test_a_role_that_changes_holds_at_the_next_request(services: Services) -> None:
    make_user(services)

    with services.database.transaction() as session:
        token = sign_in(session).token
        assert users.set_role(session, "ada", Role.VIEWER)

        found = users.find(session, token)

    assert found
    assert found.role is Role.VIEWER


def test_a_user_who_is_shut_out_is_so_at_once_and_everywhere(services: Services) -> None:
    make_user(services)

    with services.database.transaction() as session:
        token = sign_in(session).token
        assert users.disable(session, "ada")

        assert users.find(session, token) is None
        assert authenticate(session, "ada", PASSWORD) is None


def test_a_user_who_is_let_in_again_has_to_sign_in_anew(services: Services) -> None:
    make_user(services)

    with services.database.transaction() as session:
        token = sign_in(session).token
        users.disable(session, "ada")
        assert users.enable(session, "ada")

        assert users.find(session, token) is None
        assert authenticate(session, "ada", PASSWORD)


def test_another_password_ends_what_the_old_one_began(services: Services) -> None:
    make_user(services)

    with services.database.transaction() as session:
        token = sign_in(session).token
        assert users.change_password(session, "ada", "another long one")

        assert users.find(session, token) is None
        assert authenticate(session, "ada", PASSWORD) is None
        assert authenticate(session, "ada", "another long one")


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda session: users.change_password(session, "ada", "another long one"),
        lambda session: users.disable(session, "ada"),
    ],
    ids=["another password", "shut out"],
)
def test_who_was_checked_before_is_not_let_in_after(
    services: Services, meanwhile: Callable[[Session], bool]
) -> None:
    make_user(services)
    with services.database.transaction() as session:
        checked = authenticate(session, "ada", PASSWORD)
        assert checked

    with ThreadPoolExecutor(1) as pool:
        with services.database.transaction() as session:
            assert meanwhile(session)
            late = pool.submit(try_to_sign_in, services, checked)
            until(lambda: waits_for_a_lock(services), "it waits for what is being done to its user")
        with pytest.raises(UserRefused):
            late.result(timeout=10)

    with services.database.transaction() as session:
        assert session.scalars(select(SignIn)).all() == []


def try_to_sign_in(services: Services, user: User) -> users.NewSignIn:
    with services.database.transaction() as session:
        return users.sign_in(session, user, seconds=60)


def waits_for_a_lock(services: Services) -> bool:
    with services.database.single() as session:
        return bool(session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))


def test_nothing_can_be_done_to_nobody(services: Services) -> None:
    with services.database.transaction() as session:
        assert not users.disable(session, "ada")
        assert not users.enable(session, "ada")
        assert not users.set_role(session, "ada", Role.ADMIN)
        assert not users.change_password(session, "ada", PASSWORD)


def test_when_a_browser_was_seen_is_noted_once_a_minute(services: Services) -> None:
    make_user(services)
    with services.database.transaction() as session:
        token = sign_in(session).token

    def seen(*, ago: timedelta) -> bool:
        """Whether a request is noted that comes so long after the last that was."""
        with services.database.transaction() as session:
            before = session.execute(
                update(SignIn).values(seen_at=SignIn.seen_at - ago).returning(SignIn.seen_at)
            ).scalar_one()
            users.find(session, token)
            return session.execute(select(SignIn.seen_at)).scalar_one() != before

    assert not seen(ago=timedelta(seconds=30))
    assert seen(ago=timedelta(seconds=61))


def test_browsers_whose_time_is_over_are_forgotten(services: Services) -> None:
    make_user(services)
    with services.database.transaction() as session:
        valid = sign_in(session)
        sign_in(session, seconds=-1)

        users.forget_expired(session)

        assert len(session.scalars(select(SignIn)).all()) == 1
        assert users.find(session, valid.token)
