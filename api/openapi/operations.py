"""What one operation of the API is, and how it is written in OpenAPI's words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from werkzeug.exceptions import NotFound

from api.errors import BUG, NOTHING_STARTED, Answer
from api.openapi import headers, refusals
from api.openapi.schemas import ref

JSON = "application/json"
KEY: list[dict[str, list[str]]] = [{"bearer": []}]
# Whatever is asked of the ledger may end so.
COMMON = (BUG, NOTHING_STARTED)


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One method of one path. `answers` are those of success, by status."""

    method: str
    path: str
    id: str
    tag: str
    summary: str
    description: str = ""
    parameters: Sequence[Mapping[str, Any]] = ()
    body: Mapping[str, Any] | None = None
    answers: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    errors: Sequence[Answer] = ()
    needs_key: bool = True
    makes_jobs: bool = False

    def to_json(self) -> dict[str, Any]:
        callers = refusals.of_callers() if self.needs_key else []
        written = {
            "operationId": self.id,
            "tags": [self.tag],
            "summary": self.summary,
            "description": self.description,
            "parameters": list(self.parameters),
            "requestBody": self.body,
            "responses": {
                **{str(status): answer for status, answer in self.answers.items()},
                **refusals.responses([*callers, *self.errors], makes_jobs=self.makes_jobs),
            },
            "security": KEY if self.needs_key else [],
        }
        return {name: value for name, value in written.items() if value or name == "security"}


def missing(*kinds: type[Exception]) -> list[Answer]:
    """The errors of what is asked of one thing: also where its id is none, so that no such path is there."""
    return [*refusals.of(*kinds), *refusals.of_protocol(NotFound), *COMMON]


def body(kind: type, *, required: bool = True) -> dict[str, Any]:
    return {"required": required, "content": {JSON: {"schema": ref(kind)}}}


def answer(description: str, kind: type | None = None, **more: Any) -> dict[str, Any]:
    """A success with a body in JSON, where it has one; `more` as `written`."""
    return written(description, {JSON: {"schema": ref(kind)}} if kind else {}, **more)


def written(
    description: str,
    content: Mapping[str, Any],
    *,
    named: Sequence[str] = headers.OPENAIS,
    links: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A success with whatever body; `named` are its headers."""
    told = {"description": description, "headers": headers.refs(*named), "content": content, "links": links}
    return {name: value for name, value in told.items() if value}


def parameter(where: str, name: str, description: str, schema: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """An empty text in a query counts as absent."""
    special = {"path": {"required": True}, "query": {"allowEmptyValue": True}}.get(where, {})
    return {"in": where, "name": name, "description": description, "schema": schema, **special, **more}
