"""What a check ended in, and the table of all of them."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import click

HEADER = ("client", "version", "checked", "passed", "failed", "skipped", "seconds")
WIDTHS = (14, 9, 32, 6, 6, 7, 7)


class Outcome(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Result:
    """`why` is empty for what has passed."""

    check: str
    outcome: Outcome = Outcome.PASSED
    why: str = ""


@dataclass(frozen=True)
class Row:
    """What one suite of one client found."""

    client: str
    version: str
    suite: str
    results: Sequence[Result]
    seconds: float

    @property
    def failed(self) -> bool:
        return not self.results or any(result.outcome is Outcome.FAILED for result in self.results)

    def cells(self) -> list[str]:
        count = Counter(result.outcome for result in self.results)
        figures = [str(count[outcome]) for outcome in Outcome]
        return [self.client, self.version, self.suite, *figures, f"{self.seconds:.1f}"]


def show_header() -> None:
    _show(HEADER)


def show(row: Row) -> None:
    """The row, and under it why checks did not pass."""
    _show(row.cells(), red=row.failed)
    for (outcome, why), checks in _by_reason(row.results).items():
        others = f" and {len(checks) - 1} more" if len(checks) > 1 else ""
        click.echo(f"  {outcome}: {checks[0]}{others}: {why}")
    if not row.results:
        click.echo("  failed: nothing was checked")


def show_sum(rows: Iterable[Row]) -> None:
    count = Counter(result.outcome for row in rows for result in row.results)
    click.secho("\n" + ", ".join(f"{count[outcome]} {outcome}" for outcome in Outcome), bold=True)


def _by_reason(results: Iterable[Result]) -> dict[tuple[Outcome, str], list[str]]:
    """The checks that did not pass; a fault that many share is told once."""
    found: dict[tuple[Outcome, str], list[str]] = defaultdict(list)
    for result in results:
        if result.outcome is not Outcome.PASSED:
            found[result.outcome, result.why].append(result.check)
    return found


def _show(cells: Sequence[str], *, red: bool = False) -> None:
    words = [cell.ljust(width) for cell, width in zip(cells[:3], WIDTHS[:3], strict=True)]
    figures = [cell.rjust(width) for cell, width in zip(cells[3:], WIDTHS[3:], strict=True)]
    click.secho("  ".join([*words, *figures]).rstrip(), fg="red" if red else None)
