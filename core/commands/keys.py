"""`darkroom keys`: who may call, and what each may."""

import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any
from uuid import UUID

import click
from click.core import ParameterSource

from core import catalog_file, terms
from core.commands.terminal import read_settings, services, told

# A key from elsewhere that is shorter than this earns a warning; our own have 55 characters.
GUESSABLE = 20


@click.group()
def keys() -> None:
    """API keys, and what each may."""


def limits(command: Callable[..., None]) -> Callable[..., None]:
    """One option for each of KeyLimits."""
    for name, (option, read, meaning) in reversed(terms.TERMS.items()):
        kind, shown, several = (None, None, False) if read is bool else (told(read), "LIMIT", name == "models")
        command = click.option(option, name, type=kind, metavar=shown, multiple=several, help=meaning)(command)
    return command


def given(options: dict[str, Any]) -> dict[str, Any]:
    """Those limits that the command line does name."""
    source = click.get_current_context().get_parameter_source
    named = {name: value for name, value in options.items() if source(name) is ParameterSource.COMMANDLINE}
    if models := named.get("models"):
        offered = {terms.NONE, *(model.id for model in catalog_file.read(read_settings().catalog)[0])}
        if unknown := sorted({*models} - offered):
            raise click.ClickException(f"the catalog has no model {', '.join(unknown)}")
        named["models"] = None if terms.NONE in models else tuple(dict.fromkeys(models))
    return named


@keys.command("create")
@click.argument("name")
@click.option("--secret-from-stdin", is_flag=True, help="Let in a key that its owner has, from another gateway.")
@limits
def create_key(name: str, *, secret_from_stdin: bool, **options: Any) -> None:
    """Make a key and print it, this once; what is not limited is not limited."""
    from sqlalchemy.exc import IntegrityError

    from core import audit
    from core import keys as ledger_keys

    secret = told(terms.secret)(sys.stdin.readline().rstrip("\r\n")) if secret_from_stdin else None
    if secret and len(secret) < GUESSABLE:
        click.echo(f"Warning: {len(secret)} characters may be guessed.", err=True)
    allowed = ledger_keys.KeyLimits(**given(options))
    try:
        with services() as house, house.database.transaction() as session:
            key = ledger_keys.create(session, name, allowed, secret=secret)
            key_id = ledger_keys.id_of(session, key)
            audit.by_command(session, "key.create", f"key {key_id}", name=name, **_written(given(options)))
    except IntegrityError as error:
        raise click.ClickException("this is a key already, or was one") from error
    if not secret:
        click.echo(key)


@keys.command("change")
@click.argument("key_id", type=click.UUID)
@limits
def change_key(key_id: UUID, **options: Any) -> None:
    """Change those limits that are named; `none` lifts one."""
    from core import audit
    from core import keys as ledger_keys

    with services() as house, house.database.transaction() as session:
        if not ledger_keys.change(session, key_id, given(options)):
            raise click.ClickException(f"there is no key {key_id}")
        audit.by_command(session, "key.change", f"key {key_id}", **_written(given(options)))


def _written(limits: dict[str, Any]) -> dict[str, str]:
    return {
        name: terms.written(list(value) if name == "models" and value else value) for name, value in limits.items()
    }


@keys.command("show")
@click.argument("key_id", type=click.UUID)
def show_key(key_id: UUID) -> None:
    """Tell what a key may, and what it has used."""
    from core import keys as ledger_keys
    from core import usage

    with services() as house, house.database.transaction() as session:
        key = ledger_keys.get(session, key_id)
        if key is None:
            raise click.ClickException(f"there is no key {key_id}")
        click.echo(ledger_keys.summary(key))
        for name, value in {**ledger_keys.limits_of(key), **asdict(usage.balance(session, key_id))}.items():
            click.echo(f"{name.replace('_', ' '):<19}  {terms.written(value)}")


@keys.command("list")
def list_keys() -> None:
    """Show every key's id, name, last four characters and state."""
    from core import keys as ledger_keys

    with services() as house, house.database.transaction() as session:
        for key in ledger_keys.every(session):
            click.echo(ledger_keys.summary(key))


@keys.command("revoke")
@click.argument("key_id", type=click.UUID)
def revoke_key(key_id: UUID) -> None:
    """Shut a key out from now on."""
    from core import audit
    from core import keys as ledger_keys

    with services() as house, house.database.transaction() as session:
        if not ledger_keys.revoke(session, key_id):
            raise click.ClickException(f"there is no key {key_id} in force")
        audit.by_command(session, "key.revoke", f"key {key_id}")
