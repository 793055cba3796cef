"""What the operator's commands have in common: settings, services, and complaints in the words of a terminal."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from core import settings as environment
from core.catalog import Catalog
from core.errors import SettingsError
from core.settings import Settings

if TYPE_CHECKING:
    from core.bootstrap import Services


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


def told(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """As `read`, with its complaint told to whoever typed."""

    def convert(text: str) -> Any:
        try:
            return read(text)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return convert
