"""Statements that are made once: as Postgres takes them, with places for what they are given each time."""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from sqlalchemy import ColumnElement, Executable
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine


class Given(ColumnElement[Any]):
    """A value that a fixed statement is given each time it runs."""

    inherit_cache = False

    def __init__(self, name: str, type_: TypeEngine[Any]) -> None:
        self.name = name
        self.type = type_


class Fixed(NamedTuple):
    """A statement as Postgres takes it, and the names of what it is given, in their order."""

    text: bytes
    names: tuple[str, ...]


class _Numbered(PGDialect_psycopg):
    """Notes down the names of what is given while it compiles a statement."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # SQLAlchemy leaves it bare
        self.names: list[str] = []


@compiles(Given)
def _placeholder(given: Given, compiler: SQLCompiler, **_: object) -> str:
    dialect = cast("_Numbered", compiler.dialect)
    if given.name not in dialect.names:
        dialect.names.append(given.name)
    type_ = dialect.type_compiler_instance.process(given.type)
    return f"${dialect.names.index(given.name) + 1}::{type_}"


def fixed(statement: Executable) -> Fixed:
    """A statement once and for all: what is not `Given` is written out.

    For the moves that every job makes: SQLAlchemy's own way to run a statement costs more than the statement.
    """
    dialect = _Numbered()
    compiled = statement.compile(  # type: ignore[attr-defined] # of every clause element
        dialect=dialect, compile_kwargs={"literal_binds": True}
    )
    return Fixed(str(compiled).encode(), tuple(dialect.names))


class Step(NamedTuple):
    """A fixed statement, and what it is given this time."""

    statement: Fixed
    values: Mapping[str, Any]
