"""Which counts are read: of which jobs, by what, over which bins."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, String, cast, func, select
from sqlalchemy.orm import InstrumentedAttribute

from core.history.bins import Bins
from core.history.counting import EVERYBODY
from core.orm import ApiKey, History


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which jobs are looked at; None stands for all."""

    provider: str | None = None
    model: str | None = None
    key_id: UUID | None = None


ALL = Scope()


class Dimension(StrEnum):
    """What counts are told apart by."""

    PROVIDER = "provider"
    MODEL = "model"
    KEY = "key"


def of(dimension: Dimension) -> ColumnElement[str]:
    """The name of a provider or a model; the id of a key."""
    columns: dict[Dimension, InstrumentedAttribute[Any]] = {
        Dimension.PROVIDER: History.provider,
        Dimension.MODEL: History.model,
        Dimension.KEY: History.key_id,
    }
    return cast(columns[dimension], String)


def within(bins: Bins, scope: Scope, by: Dimension | None = None) -> list[ColumnElement[bool]]:
    """The rows that add up to the bins: those of a key, of all keys together, or each key's own."""
    return [History.grain == bins.grain, History.at >= bins.since, *chosen(scope, by)]


def chosen(scope: Scope, by: Dimension | None = None) -> list[ColumnElement[bool]]:
    key_id = History.key_id == (scope.key_id or EVERYBODY)
    if by is Dimension.KEY and scope.key_id is None:
        # Told one by one, each is a range of the index.
        key_id = History.key_id == func.any(func.array(select(ApiKey.id).scalar_subquery()))
    return [key_id, *named(History.provider, scope.provider), *named(History.model, scope.model)]


def named(column: InstrumentedAttribute[str], name: str | None) -> list[ColumnElement[bool]]:
    return [] if name is None else [column == name]


def bin_of(bins: Bins) -> ColumnElement[datetime]:
    """When the bin of a row begins."""
    return func.date_bin(bins.width, History.at, datetime(1970, 1, 1, tzinfo=UTC)).label("start")


# In the order in which a job meets them.
DURATIONS: Sequence[InstrumentedAttribute[list[int]]] = (
    History.waits,
    History.renders,
    History.stores,
    History.totals,
)
