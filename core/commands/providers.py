"""`darkroom providers`: how much of each may be under way, and whether any of it starts."""

import click

from core.commands.terminal import services


@click.group()
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
