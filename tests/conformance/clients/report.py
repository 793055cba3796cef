"""How a client's script is told what to do, and tells what came of it: JSON in, a line of JSON for each check out.

It runs in the clients' own environments, hence imports nothing but the standard library.
"""

import json
import sys
import traceback
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4


@dataclass(frozen=True)
class Plan:
    base_url: str
    api_key: str
    folder: str
    models: list[str]
    cases: list[dict[str, str]]
    refusals: list[dict[str, Any]]


class Check(dict[str, str]):
    """One line of the report."""

    def save(self, plan: Plan, picture: bytes, size: str) -> None:
        """Keep a picture for the one who looks at it, and say of which size it was to be."""
        path = Path(plan.folder, f"{uuid4()}.png")
        path.write_bytes(picture)
        self.update(picture=str(path), size=size)


def read_plan() -> Plan:
    return Plan(**json.load(sys.stdin))


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - where a picture is, in an answer of Darkroom's
        content: bytes = answer.read()
    return content


@contextmanager
def check(name: str) -> Iterator[Check]:
    """Report what the block ends in, under this name."""
    line = Check(check=name)
    try:
        yield line
    except Exception as failure:  # noqa: BLE001 - whatever a client raises is a finding
        where = traceback.extract_tb(failure.__traceback__)[-1]
        line["failure"] = f"{type(failure).__name__}: {failure} ({Path(where.filename).name}:{where.lineno})"
    print(json.dumps(line), flush=True)
