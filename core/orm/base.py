"""What all tables share: names of constraints, types of columns."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Dialect,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Text,
    TypeDecorator,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import DeclarativeBase

from core.errors import FailureKind
from core.states import (
    Account,
    BatchStatus,
    CallOutcome,
    DeliveryState,
    Door,
    Entry,
    Event,
    Grain,
    JobState,
    Lane,
    OperationKind,
    OperationState,
    Part,
    ProviderEventKind,
    Role,
)

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Closed(TypeDecorator[StrEnum]):
    """A StrEnum kept as text."""

    impl = Text
    cache_ok = True

    def __init__(self, values: type[StrEnum]) -> None:
        super().__init__()
        self.values = values

    def process_bind_param(self, value: StrEnum | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else value.value

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:  # noqa: ARG002
        return None if value is None else self.values(value)


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own declaration
        str: Text,
        bytes: LargeBinary,
        datetime: TIMESTAMP(timezone=True),
        dict[str, Any]: JSONB,
        list[int]: ARRAY(Integer),
        list[str]: ARRAY(Text),
        Decimal: Numeric,
        JobState: Closed(JobState),
        Event: Closed(Event),
        CallOutcome: Closed(CallOutcome),
        Door: Closed(Door),
        Lane: Closed(Lane),
        Entry: Closed(Entry),
        Account: Closed(Account),
        BatchStatus: Closed(BatchStatus),
        DeliveryState: Closed(DeliveryState),
        FailureKind: Closed(FailureKind),
        Grain: Closed(Grain),
        OperationKind: Closed(OperationKind),
        OperationState: Closed(OperationState),
        Part: Closed(Part),
        ProviderEventKind: Closed(ProviderEventKind),
        Role: Closed(Role),
    }


def table_of(entity: type[Base]) -> Table:
    """The table itself, for statements on the hot path: they skip the ORM's own compilation."""
    return cast("Table", entity.__table__)


def one_of(column: str, values: type[StrEnum] | tuple[StrEnum, ...]) -> str:
    """SQL that holds for the members of a closed set only."""
    return f"{column} IN ({', '.join(repr(value.value) for value in values)})"


def now() -> ColumnElement[datetime]:
    """The database's clock."""
    return func.now()
