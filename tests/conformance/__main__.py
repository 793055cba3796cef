"""Tries Darkroom with the clients its users have: ./run conformance [NAMES]; exit code 1 where anything failed."""

import signal
import sys
import time
from collections.abc import Iterable, Iterator

import click

from tests.conformance import results
from tests.conformance.environments import NotHere, NotInstalled
from tests.conformance.house import House, house
from tests.conformance.registry import CLIENTS, Suite
from tests.conformance.results import Outcome, Result, Row


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(CLIENTS)))
def main(names: tuple[str, ...]) -> None:
    """Try Darkroom with the clients its users have; all of them, unless some are named."""
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit("conformance: stopped")
    )  # an exception, so that all is ended
    chosen = names or tuple(CLIENTS)
    unprepared = {name: result for name in chosen if (result := prepare(name))}
    rows = []
    with house() as built:
        results.show_header()
        for row in every_row(chosen, unprepared, built):
            results.show(row)
            rows.append(row)
    results.show_sum(rows)
    sys.exit(any(row.failed for row in rows))


def prepare(name: str) -> Result | None:
    """Make the client's environment; what is to be told where that cannot be done."""
    click.echo(f"preparing {name}")
    try:
        CLIENTS[name].environment.prepare()
    except NotHere as why:
        return Result("there is such a client", Outcome.SKIPPED, str(why))
    except NotInstalled as why:
        return Result("it can be installed", Outcome.FAILED, str(why))
    return None


def every_row(chosen: Iterable[str], unprepared: dict[str, Result], built: House) -> Iterator[Row]:
    for name in chosen:
        client = CLIENTS[name]
        if name in unprepared:
            yield Row(name, "", "nothing", [unprepared[name]], 0.0)
            continue
        for what, suite in client.suites.items():
            began = time.monotonic()
            found = list(checked(suite, built))
            yield Row(name, client.environment.version, what, found, time.monotonic() - began)


def checked(suite: Suite, built: House) -> Iterator[Result]:
    try:
        yield from suite(built)
    except NotInstalled as why:
        yield Result("it can be installed", Outcome.FAILED, str(why))


if __name__ == "__main__":
    main()
