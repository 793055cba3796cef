from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from core import audit, users
from core.bootstrap import Services
from core.states import Role
from darkroom import cli

PASSWORD = "a rather long one"
Run = Callable[..., Result]


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    """Runs `darkroom users` with this test's environment."""

    def run(*words: str, typed: str | None = None) -> Result:
        return CliRunner().invoke(cli, ["users", *words], env=environment, input=typed)

    return run


@pytest.fixture
def _ada(run: Run) -> None:
    made = run("create", "ada", "--role", "operator", "--password-from-stdin", typed=f"{PASSWORD}\n")
    assert (made.exit_code, made.output) == (0, "")


def knows(services: Services, password: str) -> Role | None:
    with services.database.transaction() as session:
        user = users.named(session, "ada")
    return user.role if user and users.is_password(user, password) else None


@pytest.mark.usefixtures("_ada")
def test_a_user_is_made_whose_password_comes_from_standard_input(services: Services) -> None:
    assert knows(services, PASSWORD) is Role.OPERATOR


def test_a_password_is_asked_for_twice_and_never_shown(run: Run, services: Services) -> None:
    slip = run("create", "ada", "--role", "admin", typed=f"{PASSWORD}\nanother\n")
    assert slip.exit_code == 1

    made = run("create", "ada", "--role", "admin", typed=f"{PASSWORD}\n{PASSWORD}\n")

    assert made.exit_code == 0
    assert PASSWORD not in slip.output + made.output
    assert knows(services, PASSWORD) is Role.ADMIN


@pytest.mark.usefixtures("_ada")
def test_a_user_is_changed_shut_out_and_let_in_again(run: Run, services: Services) -> None:
    new = "another long one"

    assert run("password", "ada", "--password-from-stdin", typed=new).exit_code == 0
    assert run("role", "ada", "viewer").exit_code == 0
    assert (knows(services, PASSWORD), knows(services, new)) == (None, Role.VIEWER)

    assert run("disable", "ada").exit_code == 0
    assert knows(services, new) is None
    assert "  disabled 20" in run("list").output

    assert run("enable", "ada").exit_code == 0
    assert knows(services, new) is Role.VIEWER
    assert run("list").output.startswith("viewer    20")
    assert run("list").output.endswith("  enabled  ada\n")


@pytest.mark.usefixtures("_ada")
def test_what_is_done_to_users_is_on_the_audit(run: Run, services: Services) -> None:
    run("role", "ada", "admin")
    run("password", "ada", "--password-from-stdin", typed="another long one")
    run("disable", "bob")

    with services.database.transaction() as session:
        entries = audit.page(session, actor="cli", limit=10)

    assert [(entry.action, entry.subject, entry.detail) for entry in entries] == [
        ("user.password", "user ada", None),
        ("user.role", "user ada", {"role": "admin"}),
        ("user.create", "user ada", {"role": "operator"}),
    ]


@pytest.mark.usefixtures("_ada")
@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("disable", "bob"), "there is no user bob"),
        (("password", "ada", "--password-from-stdin"), "a password has at least 12 characters"),
        (("create", "ada", "--role", "viewer", "--password-from-stdin"), "a password has at least 12 characters"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(run: Run, words: tuple[str, ...], complaint: str) -> None:
    done = run(*words, typed="short\n")

    assert (done.exit_code, done.stdout, done.stderr) == (1, "", f"Error: {complaint}\n")
