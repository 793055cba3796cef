"""The command `darkroom`: starts each part alone, and does the operator's small jobs.

Each part is imported by its own command: the HTTP process must not load what a worker needs, nor the reverse.
"""
# ruff: noqa: PLC0415

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import click

from core import settings as environment
from core.catalog import Catalog
from core.errors import SettingsError
from core.settings import Settings

if TYPE_CHECKING:
    from core.bootstrap import Services

ROOT = Path(__file__).resolve().parent


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
    """Admit what is due, rescue what was lost, sweep what has expired."""
    from workers.maintenance import run

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
    """API keys."""


@keys.command("create")
@click.argument("name")
def create_key(name: str) -> None:
    """Make a key and print it, this once."""
    from core import keys as ledger_keys

    with services() as house, house.database.transaction() as session:
        key = ledger_keys.create(session, name)
    click.echo(key)


@keys.command("list")
def list_keys() -> None:
    """Show every key's id, name, last four characters and state."""
    from core import keys as ledger_keys

    with services() as house, house.database.transaction() as session:
        for key in ledger_keys.every(session):
            state = f"revoked {key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else "in force"
            click.echo(f"{key.id}  …{key.hint}  {key.created_at:%Y-%m-%d %H:%M}  {state}  {key.name}")


@keys.command("revoke")
@click.argument("key_id", type=click.UUID)
def revoke_key(key_id: UUID) -> None:
    """Shut a key out from now on."""
    from core import keys as ledger_keys

    with services() as house, house.database.transaction() as session:
        if not ledger_keys.revoke(session, key_id):
            raise click.ClickException(f"there is no key {key_id} in force")


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
