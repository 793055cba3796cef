"""The command `darkroom`: starts each part alone, and offers the operator's commands.

Each part is imported by its own command: the HTTP process must not load what a worker needs, nor the reverse.
"""

import sys
from pathlib import Path

import click

from core.commands.jobs import jobs
from core.commands.keys import keys
from core.commands.providers import providers
from core.commands.terminal import read_settings, services
from core.commands.users import users
from core.errors import SettingsError

ROOT = Path(__file__).resolve().parent


@click.group(commands=[jobs, keys, providers, users])
def cli() -> None:
    """Darkroom: rendering jobs behind the OpenAI Images API."""


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


@cli.command()
@click.option(
    "--mend", is_flag=True, help="Remove objects from the store that the ledger has not known for a day."
)
def doctor(*, mend: bool) -> None:
    """Look at all that Darkroom depends on and at Darkroom itself, and say what to do; exit 1 if any is broken."""
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    from workers.doctor import Verdict, examine

    head = ScriptDirectory.from_config(Config(toml_file=ROOT / "pyproject.toml")).get_current_head()
    verdicts = set()
    with services() as house:
        for finding in examine(house, head=str(head), mend=mend):
            click.echo(finding)
            verdicts.add(finding.verdict)
    sys.exit(Verdict.BROKEN in verdicts)


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
