"""Prints: a heading, a table with its columns in line, a remark."""

from collections.abc import Sequence

import click

Cell = str | int | float


def say(text: str = "", *, bold: bool = False) -> None:
    click.secho(text, bold=bold)


def show(title: str, header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """The first column is words, the others are figures; each of these brings its own precision."""
    texts = [header, *([_text(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in texts) for column in range(len(header))]
    say(f"\n{title}", bold=True)
    for row in texts:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        say("  " + "  ".join([row[0].ljust(widths[0]), *cells[1:]]))


def ratio(one: float, other: float) -> str:
    return f"{one / other:.2f}x" if other else "-"


def _text(cell: Cell) -> str:
    match cell:
        case float():
            return f"{cell:,.2f}" if abs(cell) < 10 else f"{cell:,.1f}"
        case int():
            return f"{cell:,}"
        case str():
            return cell
