"""Reads the table of docs/errors.md, which is part of the contract."""

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
    found = []
    for line in PAGE.read_text().splitlines():
        if line.startswith(("| 4", "| 5")):
            status, family, code, param, _, retry = (
                cell.strip().replace("`", "") or None for cell in line.strip("|").split("|")
            )
            assert status
            assert family
            found.append((Kind(int(status), family, code, retry == "true"), param))
    return found
