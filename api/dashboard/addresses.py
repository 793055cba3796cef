"""Addresses of views: a page's own with something else looked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode


@dataclass(frozen=True, slots=True)
class Address:
    """A page, and what it is asked to show."""

    path: str
    query: Mapping[str, str]

    def but(self, **changes: object) -> str:
        """With these asked for instead; a None asks for nothing. Every change begins at the first page."""
        asked = {**self.query, **{name: value for name, value in changes.items() if value is not None}}
        kept = {
            name: str(value) for name, value in asked.items() if name not in changes or changes[name] is not None
        }
        return f"{self.path}?{urlencode(kept)}" if kept else self.path

    def without(self, name: str) -> str:
        return self.but(**{name: None})

    def toggled(self, name: str, value: str) -> str:
        """With one value of several, divided by commas, let in or out."""
        chosen = set(filter(None, self.query.get(name, "").split(",")))
        chosen ^= {value}
        return self.but(**{name: ",".join(sorted(chosen)) or None})

    def has(self, name: str, value: str) -> bool:
        return value in self.query.get(name, "").split(",")
