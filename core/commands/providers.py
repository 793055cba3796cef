"""`darkroom providers`: how much of each may be under way, how fast, and whether any of it starts."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from core import offers, terms
from core.commands.terminal import services, told

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from core.orm import Provider


@click.group()
def providers() -> None:
    """Providers: their slots, their rates, and whether any of their jobs start."""


@providers.command("list")
def list_providers() -> None:
    """Show how much of each provider may go on at once, and what keeps it."""
    from core import admission

    with services() as house, house.database.transaction() as session:
        for row in admission.providers(session):
            entry = house.catalog.provider(row.name)
            click.echo("  ".join(_facts(row, rate=row.rate or (entry.rate if entry else None))))


def _facts(row: "Provider", *, rate: str | None) -> Iterator[str]:
    from core.admission import FOREVER

    yield row.name
    yield f"{row.slots} slots"
    if rate:
        yield rate
    if row.paused_until == FOREVER:
        yield "paused"
    elif row.paused_until and row.paused_until > datetime.now(UTC):
        yield f"asked to be left alone until {row.paused_until:%H:%M:%S}"
    if row.draining:
        yield "draining"
    if row.open_until:
        yield f"taken out, tried again after {row.open_until:%H:%M:%S}"


@providers.command("slots")
@click.argument("name")
@click.argument("slots", type=click.IntRange(min=0))
def set_slots(name: str, slots: int) -> None:
    """Change a provider's slots at run time; 0 lets nothing new start."""
    from core import admission

    _steer(
        "change", name, lambda session, provider: admission.set_slots(session, provider, slots), slots=f"{slots}"
    )


@providers.command("pause")
@click.argument("name")
def pause_provider(name: str) -> None:
    """Start none of a provider's jobs until it is resumed."""
    from core import admission

    _steer("pause", name, admission.pause)


@providers.command("drain")
@click.argument("name")
def drain_provider(name: str) -> None:
    """As pause, and let stand-ins make what waits, where the catalog names some."""
    from core import admission

    _steer("drain", name, admission.drain)


@providers.command("resume")
@click.argument("name")
def resume_provider(name: str) -> None:
    """Start a provider's jobs again, whatever kept them."""
    from core import admission

    _steer("resume", name, admission.resume)


def _rate(text: str) -> str | None:
    return None if text == terms.NONE else offers.rate(text)


@providers.command("rate")
@click.argument("name")
@click.argument("rate", type=told(_rate))
def set_rate(name: str, rate: str | None) -> None:
    """Change how many calls may begin in a time, such as 60/minute; `none` is the catalog's again."""
    from core import admission

    told = rate or "the catalog's"
    _steer("change", name, lambda session, provider: admission.set_rate(session, provider, rate), rate=told)


def _steer(action: str, name: str, change: Callable[["Session", str], bool], **detail: str) -> None:
    from core import audit

    with services() as house:
        with house.database.transaction() as session:
            if not change(session, name):
                raise click.ClickException(f"there is no provider {name}")
            audit.by_command(session, f"provider.{action}", f"provider {name}", **detail)
        house.intake.start_due(name)
