"""Charts as data: what a page hands to static/ops/charts.js, and says in words to those who cannot see it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

Figure = float | int | Decimal | None

# Where a chart has a line for each of several providers, models or keys.
COLOURS = ("one", "two", "three", "four", "five", "six")


@dataclass(frozen=True, slots=True)
class Series:
    """One line or layer. `colour` names a colour of the style sheet; a value of None leaves a gap."""

    label: str
    colour: str
    values: Sequence[Figure]
    dashed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """`at` are the beginnings of the spans of time, ascending; every series has as many values.

    A "stack" is of what is there at a moment, "bars" are of what came in a span, and both put the series on top of
    each other. `log` for an axis on which ten times as much is always as far: values of 0 are not on it.
    """

    at: Sequence[datetime]
    series: Sequence[Series]
    kind: Literal["lines", "stack", "bars"] = "lines"
    unit: Literal["jobs", "seconds", "dollars"] = "jobs"
    log: bool = False
    words: str = field(default="")

    @property
    def json(self) -> str:
        """For the page's script."""
        return json.dumps(
            {
                "x": [round(moment.timestamp()) for moment in self.at],
                "series": [
                    {
                        "label": series.label,
                        "colour": series.colour,
                        "dashed": series.dashed,
                        "values": [self._plain(value) for value in series.values],
                    }
                    for series in self.series
                ],
                "kind": self.kind,
                "unit": self.unit,
                "log": self.log,
            }
        )

    @property
    def width(self) -> float:
        """For how many seconds a span lasts."""
        return (self.at[1] - self.at[0]).total_seconds()

    def _plain(self, value: Figure) -> float | None:
        return None if value is None or (self.log and value <= 0) else float(value)

    @property
    def summary(self) -> str:
        """The chart in a sentence."""
        if self.words:
            return self.words
        latest = [
            f"{series.label} {float(known[-1]):g}"
            for series in self.series
            if (known := [value for value in series.values if value is not None])
        ]
        return f"latest in {self.unit}: {', '.join(latest)}" if latest else "nothing yet"
