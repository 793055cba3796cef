"""The command `darkroom`: starts each part alone, and does the operator's small jobs.

Each part is imported by its own command: the HTTP process must not load what a worker needs, nor the reverse.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click
from click.core import ParameterSource

from core import catalog_file, terms
from core import settings as environment
from core.catalog import Catalog
from core.commands.users import users
from core.errors import SettingsError
from core.settings import Settings

if TYPE_CHECKING:
    from core.bootstrap import Services

ROOT = Path(__file__).resolve().parent
# A key from elsewhere that is shorter than this earns a warning; our own have 55 characters.
GUESSABLE = 20


@click.group()
def cli() -> None:
    """Darkroom: rendering jobs behind the OpenAI Images API."""


def read_settings() -> Settings:
    """Read the catalog too, so that a bad one is told at once and by every command."""
    try:
        settings = environment.read(os.environ)
        Catalog.load(settings.catalog)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    return settings


@contextmanager
def services() -> Iterator["Services"]:
    """What a command talks to, for as long as it runs."""
    from core.bootstrap import assemble

    house = assemble(read_settings())
    try:
        yield house
    finally:
        house.close()


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True)
def api(host: str, port: int) -> None:
    """Serve the HTTP API."""
    from api.server import serve

    serve(read_settings(), bind=f"{host}:{port}")


@cli.command()
@click.option("--provider", required=True, help="Whose pictures this pool makes.")
@click.option("--concurrency", default=500, show_default=True, help="Provider calls at once in this process.")
def worker(provider: str, concurrency: int) -> None:
    """Work on one provider's jobs."""
    from workers.app import run

    try:
        run(read_settings(), provider=provider, concurrency=concurrency)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error


@cli.command()
def scheduler() -> None:
    """Admit what is due, rescue what was lost, sweep what has expired, tell events to webhooks."""
    from workers.maintenance import run

    run(read_settings())


@cli.command()
def clerk() -> None:
    """Read files of batches into jobs, and write what came of them."""
    from api.batches.clerk import run

    run(read_settings())


@cli.command()
def migrate() -> None:
    """Bring the database and the bucket to what this release needs."""
    from alembic import command
    from alembic.config import Config

    with services() as house:
        command.upgrade(Config(toml_file=ROOT / "pyproject.toml"), "head")
        house.storage.create_bucket()


@cli.group()
def keys() -> None:
    """API keys, and what each may."""


def told(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """As `read`, with its complaint told to whoever typed."""

    def convert(text: str) -> Any:
        try:
            return read(text)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return convert


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

    from core import keys as ledger_keys

    secret = told(terms.secret)(sys.stdin.readline().rstrip("\r\n")) if secret_from_stdin else None
    if secret and len(secret) < GUESSABLE:
        click.echo(f"Warning: {len(secret)} characters may be guessed.", err=True)
    allowed = ledger_keys.KeyLimits(**given(options))
    try:
        with services() as house, house.database.transaction() as session:
            key = ledger_keys.create(session, name, allowed, secret=secret)
    except IntegrityError as error:
        raise click.ClickException("this is a key already, or was one") from error
    if not secret:
        click.echo(key)


@keys.command("change")
@click.argument("key_id", type=click.UUID)
@limits
def change_key(key_id: UUID, **options: Any) -> None:
    """Change those limits that are named; `none` lifts one."""
    from core import keys as ledger_keys

    with services() as house, house.database.transaction() as session:
        if not ledger_keys.change(session, key_id, given(options)):
            raise click.ClickException(f"there is no key {key_id}")


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
    from core import keys as ledger_keys

    with services() as house, house.database.transaction() as session:
        if not ledger_keys.revoke(session, key_id):
            raise click.ClickException(f"there is no key {key_id} in force")


cli.add_command(users)


@cli.group()
def providers() -> None:
    """Providers and their slots."""


@providers.command("list")
def list_providers() -> None:
    """Show how many jobs of each provider may be under way at once."""
    from core import admission

    with services() as house, house.database.transaction() as session:
        for row in admission.providers(session):
            out = f"  taken out, tried again after {row.open_until:%H:%M:%S}" if row.open_until else ""
            click.echo(f"{row.name}  {row.slots} slots{out}")


@providers.command("slots")
@click.argument("name")
@click.argument("slots", type=click.IntRange(min=0))
def set_slots(name: str, slots: int) -> None:
    """Change a provider's slots at run time; 0 lets nothing new start."""
    from core import admission

    with services() as house, house.database.transaction() as session:
        if not admission.set_slots(session, name, slots):
            raise click.ClickException(f"there is no provider {name}")


@providers.command("pause")
@click.argument("name")
def pause_provider(name: str) -> None:
    """Start none of a provider's jobs until it is resumed."""
    _steer(name, paused=True)


@providers.command("resume")
@click.argument("name")
def resume_provider(name: str) -> None:
    """Start a provider's jobs again, whatever kept them."""
    _steer(name, paused=False)


def _steer(name: str, *, paused: bool) -> None:
    from core import admission

    with services() as house:
        with house.database.transaction() as session:
            if not (admission.pause if paused else admission.resume)(session, name):
                raise click.ClickException(f"there is no provider {name}")
        house.intake.start_due(name)


@cli.group()
def jobs() -> None:
    """Jobs on the ledger."""


@jobs.command("show")
@click.argument("job_id", type=click.UUID)
def show_job(job_id: UUID) -> None:
    """Tell what happened to a job, and what it may have cost."""
    from core import calls, results

    with services() as house, house.database.transaction() as session:
        job = results.job(session, job_id)
        if job is None:
            raise click.ClickException(f"there is no job {job_id}")
        click.echo(f"{job.id}  {job.state}  {job.model} by {job.provider}  request {job.request_id}")
        for event in results.history(session, job_id):
            detail = f"  {event.detail['kind']}: {event.detail['message']}" if event.detail else ""
            click.echo(f"{event.at:%Y-%m-%d %H:%M:%S.%f}  attempt {event.attempt}  {event.event}{detail}")
        for call in calls.of_job(session, job_id):
            click.echo(f"{call.sent_at:%Y-%m-%d %H:%M:%S.%f}  attempt {call.attempt}  call {call.outcome}")


@jobs.command("cancel")
@click.argument("job_id", type=click.UUID)
def cancel_job(job_id: UUID) -> None:
    """Settle a job as cancelled. A provider call under way is finished, and paid for."""
    from core import cancellation

    with services() as house:
        if not cancellation.cancel(house.database, house.notifier, job_id):
            raise click.ClickException(f"there is no job {job_id} that could be cancelled")


@cli.command()
@click.option("--servers-only", is_flag=True, help="Only Postgres, Valkey and the store.")
def sandbox(*, servers_only: bool) -> None:
    """Run everything on this machine, on real servers, without Docker."""
    from sandbox.stack import main

    sys.exit(main(servers_only=servers_only))


@cli.command()
@click.argument("provider", required=False)
@click.option("--port", default=9101, show_default=True, help="The first port, where several follow.")
@click.option("--api-key", help="The key that callers must show; without it any will do.")
def simulators(provider: str | None, port: int, api_key: str | None) -> None:
    """Stand in for one provider, or for all: wire format, faults, and a count of what would have been charged."""
    from sandbox.simulators.serve import APPS, main, serve_all

    if provider is None:
        serve_all(port=port, api_key=api_key)
    elif provider in APPS:
        main(provider, port=port, api_key=api_key)
    else:
        raise click.BadParameter(f"{provider!r} is none of {', '.join(APPS)}", param_hint="PROVIDER")


if __name__ == "__main__":
    cli()
