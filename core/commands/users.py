"""`darkroom users`: who may sign in at the dashboard, and what each may do there."""

import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from core.commands.terminal import services
from core.states import Role

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

ROLES = click.Choice([role.value for role in Role])


@click.group()
def users() -> None:
    """Users of the dashboard."""


def secret(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say where a password comes from: asked for twice where none is given."""
    read = click.option(
        "--password-from-stdin",
        "source",
        flag_value="stdin",
        help="Read it from the first line of standard input.",
    )
    made = click.option("--make-password", "source", flag_value="made", help="Make one and print it, this once.")
    return read(made(command))


@users.command("create")
@click.argument("name")
@click.option(
    "--role", type=ROLES, required=True, help="viewer looks, operator acts, admin also on keys and money."
)
@secret
def create_user(name: str, role: str, *, source: str | None) -> None:
    """Let somebody sign in."""
    from core import users as house_users

    password = _password(source)
    with _audited("create", name, {"role": role}) as session:
        house_users.create(session, name, Role(role), password)
    _show(password, source)


@users.command("list")
def list_users() -> None:
    """Show every user's name, role and state."""
    from core import users as house_users

    with services() as house, house.database.transaction() as session:
        for user in house_users.every(session):
            state = f"disabled {user.disabled_at:%Y-%m-%d %H:%M}" if user.disabled_at else "enabled"
            click.echo(f"{user.role:<8}  {user.created_at:%Y-%m-%d %H:%M}  {state}  {user.name}")


@users.command("password")
@click.argument("name")
@secret
def change_password(name: str, *, source: str | None) -> None:
    """Give a user another password, and sign the user out everywhere."""
    from core import users as house_users

    password = _password(source)
    with _audited("password", name) as session:
        _found(name, there=house_users.change_password(session, name, password))
    _show(password, source)


@users.command("role")
@click.argument("name")
@click.argument("role", type=ROLES)
def set_role(name: str, role: str) -> None:
    """Change what a user may do, from now on."""
    from core import users as house_users

    with _audited("role", name, {"role": role}) as session:
        _found(name, there=house_users.set_role(session, name, Role(role)))


@users.command("disable")
@click.argument("name")
def disable_user(name: str) -> None:
    """Shut a user out, at once and everywhere."""
    from core import users as house_users

    with _audited("disable", name) as session:
        _found(name, there=house_users.disable(session, name))


@users.command("enable")
@click.argument("name")
def enable_user(name: str) -> None:
    """Let a user in again."""
    from core import users as house_users

    with _audited("enable", name) as session:
        _found(name, there=house_users.enable(session, name))


def _password(source: str | None) -> str:
    match source:
        case "stdin":
            return sys.stdin.readline().rstrip("\r\n")
        case "made":
            return secrets.token_urlsafe(18)
        case _:
            given: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
            return given


def _show(password: str, source: str | None) -> None:
    if source == "made":
        click.echo(password)


@contextmanager
def _audited(action: str, name: str, detail: dict[str, Any] | None = None) -> Iterator["Session"]:
    """A transaction that puts on record what is done in it to a user."""
    from core import audit
    from core.users import UserRefused

    try:
        with services() as house, house.database.transaction() as session:
            yield session
            audit.record(session, actor=audit.CLI, action=f"user.{action}", subject=f"user {name}", detail=detail)
    except UserRefused as error:
        raise click.ClickException(str(error)) from error


def _found(name: str, *, there: bool) -> None:
    if not there:
        raise click.ClickException(f"there is no user {name}")
