"""Reads the table of docs/errors.md, which is part of the contract."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).resolve().parents[1] / "docs" / "errors.md"
NAMED = "its name"


class Kind(NamedTuple):
    """What tells one row from all others."""

    status: int
    type: str
    code: str | None
    retry: bool


def rows() -> list[tuple[Kind, str | None]]:
    """Every kind of error, and its `param`; NAMED is that of the request's fault, whatever its name."""
    return [(kind, param) for kind, param, _ in _rows()]


def failures() -> dict[str, Kind]:
    """What is told of each kind of failure that a cause names in parentheses."""
    return {name: kind for kind, _, cause in _rows() for name in re.findall(r"\(`([a-z]+)`\)", cause)}


def _rows() -> Iterator[tuple[Kind, str | None, str]]:
    for line in PAGE.read_text().splitlines():
        if line.startswith(("| 4", "| 5")):
            *cells, cause, retry = (cell.strip() for cell in line.strip("|").split("|"))
            status, family, code, param = (cell.replace("`", "") or None for cell in cells)
            assert status
            assert family
            yield Kind(int(status), family, code, retry == "`true`"), param, cause
