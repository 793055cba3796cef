"""Reads the catalog's file with the operator's own laid over it, and refuses what makes no sense."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from core.errors import SettingsError
from core.offers import Model, ProviderEntry, faults

BUILT_IN = Path(__file__).with_name("catalog.toml")
KINDS: dict[str, tuple[str, type[Model | ProviderEntry], str]] = {
    "models": ("model", Model, "id"),
    "providers": ("provider", ProviderEntry, "name"),
}
Table = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Layers:
    """Both files' tables. `merged` is what holds."""

    path: str | None
    own: Table
    merged: Table

    def fault(self, section: str, name: str, field: str, why: str) -> SettingsError:
        """Name the operator's file where it has a word on the entry."""
        own = self.own.get(section, {})
        file = self.path if isinstance(own, dict) and name in own else BUILT_IN.name
        return SettingsError(f"{file}: {KINDS[section][0]} {name}: {field}: {why}")


def read(path: str | None) -> tuple[list[Model], list[ProviderEntry]]:
    """The enabled models and every provider. Raises SettingsError that names file, entry and field."""
    own = _tables(Path(path)) if path else {}
    layers = _Layers(path, own, _laid_over(_tables(BUILT_IN), own))
    unknown = [section for section in layers.merged if section not in KINDS]
    if unknown:
        raise SettingsError(f"{path}: {unknown[0]}: the catalog has models and providers")
    entries = [entry for entry in _entries(layers, "providers") if isinstance(entry, ProviderEntry)]
    models = [model for model in _entries(layers, "models") if isinstance(model, Model)]
    _check_references(layers, models, {entry.name for entry in entries})
    return models, entries


def _tables(path: Path) -> Table:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: {error}") from error


def _laid_over(below: Table, above: Table) -> Table:
    """Tables are merged key by key; everything else, lists too, is replaced."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        both = isinstance(under, dict) and isinstance(value, dict)
        merged[key] = _laid_over(under, value) if both else value  # type: ignore[arg-type]  # both are tables
    return merged


def _entries(layers: _Layers, section: str) -> Iterator[Model | ProviderEntry]:
    """Those that are enabled; one that is not may be left unfinished."""
    _, kind, key = KINDS[section]
    entries = layers.merged[section]
    if not isinstance(entries, dict):
        raise SettingsError(f"{layers.path}: {section}: is not a table")
    for name, table in entries.items():
        if not isinstance(table, dict):
            raise layers.fault(section, name, "entry", "is not a table")
        if kind is Model and table.get("enabled") is False:
            continue
        if key in table:
            raise layers.fault(section, name, key, "is the name of the table, and no field")
        try:
            entry = TypeAdapter(kind).validate_python({**table, key: name}, extra="forbid")
        except ValidationError as error:
            raise layers.fault(section, name, *_first(error)) from error
        for field, why in faults(entry):
            raise layers.fault(section, name, field, why)
        yield entry


def _first(error: ValidationError) -> tuple[str, str]:
    """The first field at fault, and why; never its value, which might be a key in the wrong place."""
    fault = error.errors(include_url=False, include_input=False)[0]
    why = {"missing": "is missing", "extra_forbidden": "is unknown", "unexpected_keyword_argument": "is unknown"}
    return (
        ".".join(map(str, fault["loc"])),
        why.get(fault["type"], fault["msg"].removeprefix("Value error, ")),
    )


def _check_references(layers: _Layers, models: list[Model], providers: set[str]) -> None:
    known = {model.id: model for model in models}
    for model in models:
        if model.provider not in providers:
            raise layers.fault("models", model.id, "provider", f"there is no provider {model.provider}")
        for name in model.fallbacks:
            why = _unfit(model, known.get(name))
            if why:
                raise layers.fault("models", model.id, "fallbacks", f"{name} {why}")


def _unfit(model: Model, other: Model | None) -> str | None:
    """Why the other cannot make whatever this model is asked for."""
    if other is None:
        return "is not among the models"
    if other.id == model.id:
        return "is the model itself"
    missing = [size for size in model.sizes if size not in other.sizes]
    if missing:
        return f"does not offer {missing[0]}"
    if other.max_n < model.max_n or other.max_prompt < model.max_prompt:
        return "takes fewer pictures or a shorter prompt"
    return None
