"""The page at /docs: the OpenAPI document, laid out to be read."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import render_template
from markupsafe import Markup, escape

Json = Mapping[str, Any]
JSON = "application/json"
REF = re.compile(r"#/components/schemas/(\w+)")
# What limits a value, in the order in which it is told.
LIMITS = {
    "minimum": "from {}",
    "maximum": "to {}",
    "maxLength": "up to {} characters",
    "maxProperties": "up to {} pairs",
    "format": "{}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A row of a table: a parameter, or a part of an object."""

    name: str
    kind: Markup
    place: str
    required: bool
    description: Markup


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An error that may be answered."""

    status: int
    type: str
    code: str | None
    param: str | None
    message: str
    retry: bool

    @property
    def anchor(self) -> str:
        return f"{self.status}-{self.code or 'none'}"


def render(document: Json) -> str:
    operations = [
        {**operation, "method": method.upper(), "path": path}
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    return render_template(
        "docs.html",
        document=document,
        operations=operations,
        faults=sorted(
            {fault for operation in operations for fault in faults(operation)},
            key=lambda fault: (fault.status, fault.code or "", fault.retry),
        ),
        view={
            "prose": prose,
            "parameters": parameters,
            "fields": fields,
            "faults": faults,
            "answer": answer,
            "kind": kind,
            "body": body,
            "phrase": lambda status: HTTPStatus(int(status)).phrase,
        },
    )


def parameters(operation: Json) -> list[Field]:
    return [
        Field(
            name=each["name"],
            kind=kind(each["schema"]),
            place=each["in"],
            required=each.get("required", False),
            description=prose(each["description"]),
        )
        for each in operation.get("parameters", ())
    ]


def fields(schema: Json) -> list[Field]:
    """The parts of an object."""
    return [
        Field(
            name=name,
            kind=kind(part),
            place="body",
            required=name in schema.get("required", ()),
            description=prose(part.get("description", "")),
        )
        for name, part in schema.get("properties", {}).items()
    ]


def body(operation: Json, document: Json) -> Json:
    """The schema of what is posted; empty where nothing is."""
    content = operation.get("requestBody", {}).get("content", {})
    if not content:
        return {}
    [posted] = content.values()
    schema: Json = posted["schema"]
    name = REF.fullmatch(schema.get("$ref", ""))
    found: Json = document["components"]["schemas"][name[1]] if name else schema
    return found


def faults(operation: Json) -> Iterator[Fault]:
    for status, response in operation["responses"].items():
        for example in response.get("content", {}).get(JSON, {}).get("examples", {}).values():
            yield Fault(status=int(status), retry=example["x-should-retry"], **example["value"]["error"])


def answer(response: Json) -> Markup:
    """What a success means, and what it holds."""
    schema = response.get("content", {}).get(JSON, {}).get("schema", {})
    held = [] if "type" in schema or not schema else [kind(schema)]
    return Markup(" ").join([_line(response["description"]), *held])


def kind(schema: Json) -> Markup:
    """What a value may be, in a few words."""
    if name := REF.fullmatch(schema.get("$ref", "")):
        return Markup('<a href="#{0}">{0}</a>').format(name[1])
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return Markup(" or ").join(kind(each) for each in schema[choice])
    if "enum" in schema or "const" in schema:
        words = schema.get("enum", [schema.get("const")])
        return Markup(" or ").join(_literal(word) for word in words)
    return _plain(schema)


def _literal(word: object) -> Markup:
    return Markup("<code>{}</code>").format(word if isinstance(word, str) else json.dumps(word))


def _plain(schema: Json) -> Markup:
    types = schema.get("type", "any")
    told = Markup(" or ").join([escape(types)] if isinstance(types, str) else map(escape, types))
    if "items" in schema:
        told += Markup(" of ") + kind(schema["items"])
    if isinstance(schema.get("additionalProperties"), Mapping):
        told += Markup(" of ") + kind(schema["additionalProperties"])
    limits = [words.format(schema[name]) for name, words in LIMITS.items() if name in schema]
    return told + escape(f" ({' '.join(limits)})" if limits else "")


def prose(text: str) -> Markup:
    """Paragraphs, lists and `code`: of Markdown, what the document's descriptions use."""
    return Markup("").join(_block(block.splitlines()) for block in text.strip().split("\n\n") if block)


def _block(lines: list[str]) -> Markup:
    if all(line.startswith("- ") for line in lines):
        items = Markup("").join(Markup("<li>{}</li>").format(_line(line[2:])) for line in lines)
        return Markup("<ul>{}</ul>").format(items)
    return Markup("<p>{}</p>").format(_line(" ".join(lines)))


def _line(text: str) -> Markup:
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part) for number, part in enumerate(parts)
    )
