"""A file's lines become checked lines of a batch, or faults that say which line, which parameter and why."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import blake2b
from typing import Any, NamedTuple, NoReturn

from api import validation
from api.batches.schemas import ENDPOINT
from api.extras import is_text
from api.wording import Code, empty, missing, not_a_member, not_text, wrong_type
from core.batches.lines import START, Line, Place
from core.catalog import Catalog
from core.errors import InvalidRequest

MOST_LINES = 50_000
# Blank ones among them: a file of newlines has hundreds of millions.
MOST_ROWS = 2 * MOST_LINES
# As long as the body of a synchronous call may be.
LONGEST_LINE = 1024 * 1024
# So many faults are listed, or characters of them, and the rest are counted: the list comes with every look at the
# batch.
MOST_FAULTS = 5_000
MOST_TEXT = 1_000_000
# What a fault quotes of its line may be as long as a line.
LONGEST_TEXT = 300
METHODS = ("POST",)


def _not_json(word: str) -> NoReturn:
    """Python would read NaN and Infinity, JSON knows neither."""
    raise ValueError(word)


_JSON = json.JSONDecoder(parse_constant=_not_json)


class Row(NamedTuple):
    """A line as it is in the file; no text where it is too long. `end` is where the next one begins."""

    text: bytes | None
    end: Place

    @property
    def is_blank(self) -> bool:
        return self.text is not None and not self.text.strip()


def rows(pieces: Iterable[bytes], begin: Place = START) -> Iterator[Row]:
    """The lines of a file from one of them on, however they are cut into pieces."""
    number, offset = begin
    rest, dropped = b"", 0
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for text in whole:
            number, offset = number + 1, offset + dropped + len(text) + 1
            yield Row(None if dropped + len(text) > LONGEST_LINE else text, Place(number, offset))
            dropped = 0
        if dropped or len(rest) > LONGEST_LINE:  # nothing is gained by keeping more of it
            rest, dropped = b"", dropped + len(rest)
    if rest or dropped:
        yield Row(None if dropped else rest, Place(number + 1, offset + dropped + len(rest)))


class Reader:
    """Reads the lines of a key's files, by the catalog as it is now."""

    def __init__(self, catalog: Catalog, default_model: str | None, may_use: Callable[[str], bool]) -> None:
        self._catalog = catalog
        self._default_model = default_model
        self._may_use = may_use

    def read(self, row: Row) -> Line:
        """Raises InvalidRequest, whose `param` is of the line."""
        fields = _object(row)
        custom_id = _text(fields, "custom_id")
        if not custom_id:
            raise empty("custom_id")
        if not is_text(custom_id):
            raise not_text("custom_id")
        if (method := _text(fields, "method")) not in METHODS:
            raise not_a_member("method", method, METHODS)
        if _text(fields, "url") != ENDPOINT:
            raise InvalidRequest(
                "The URL provided for this request does not match the batch endpoint.",
                code="invalid_url",
                param="url",
            )
        return self._line(row, custom_id, _body(fields))

    def _line(self, row: Row, custom_id: str, body: dict[str, Any]) -> Line:
        self._check_model(body)
        try:
            checked = validation.parse(body, self._catalog, self._default_model)
        except InvalidRequest as error:
            param = f"body.{error.param}" if error.param else "body"
            raise InvalidRequest(error.message, code=error.code or "invalid_request", param=param) from error
        if checked.webhook_url:
            raise InvalidRequest(
                "A line of a batch has its batch's events.", code=Code.UNKNOWN_PARAMETER, param="body.webhook_url"
            )
        request, model = checked.request, checked.model
        return Line(
            number=row.end.lines,
            custom_id=custom_id,
            request=request,
            model=model,
            metadata=dict(checked.metadata) if checked.metadata else None,
            priority=checked.priority,
            slots=self._catalog.calls(model, request.n),
        )

    def _check_model(self, body: dict[str, Any]) -> None:
        """What OpenAI words otherwise in a batch than in a call of its own."""
        if body.get("stream") is True:
            raise InvalidRequest(
                "Streaming is not supported in the Batch API.", code="streaming_unsupported", param="body.stream"
            )
        name = body.get("model") or self._default_model
        if isinstance(name, str) and self._catalog.model(name) is None:
            raise InvalidRequest(
                f"The provided model '{name}' is not supported by the Batch API.",
                code="model_not_found",
                param="body.model",
            )
        if isinstance(name, str) and not self._may_use(name):
            raise InvalidRequest(
                f"This API key may not use the model '{name}'.", code="model_not_allowed", param="body.model"
            )


def _object(row: Row) -> dict[str, Any]:
    if row.text is None:
        raise InvalidRequest(f"This line is longer than the {LONGEST_LINE} maximum.", code="line_too_long")
    try:
        fields = _JSON.decode(row.text.decode())
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise InvalidRequest("This line is not parseable as valid JSON.", code="invalid_json_line")
    return fields


def _text(fields: dict[str, Any], name: str) -> str:
    if fields.get(name) is None:
        raise missing(name)
    if not isinstance(fields[name], str):
        raise wrong_type(name, "a string", fields[name])
    text: str = fields[name]
    return text


def _body(fields: dict[str, Any]) -> dict[str, Any]:
    body = fields.get("body")
    if body is None:
        raise missing("body")
    if not isinstance(body, dict):
        raise wrong_type("body", "an object", body)
    return body


@dataclass(slots=True)
class Survey:
    """What a whole file comes to: how many lines, their price in dollars, and what is wrong with it.

    `text` counts the characters of all faults, listed or not.
    """

    total: int = 0
    price: Decimal = Decimal(0)
    faults: list[dict[str, Any]] = field(default_factory=list)
    text: int = 0
    more_faults: int = 0

    def complain(self, error: InvalidRequest, *, line: int | None = None) -> None:
        found = fault(error, line=line)
        self.text += len(found["message"]) + len(found["param"] or "")
        if len(self.faults) < MOST_FAULTS and self.text <= MOST_TEXT:
            self.faults.append(found)
        else:
            self.more_faults += 1

    def verdict(self) -> list[dict[str, Any]]:
        """Every fault; nothing where the file is good."""
        if not self.total and not self.faults:
            self.complain(InvalidRequest("The batch input file is empty.", code="empty_file"))
        if self.more_faults:
            message = f"{self.more_faults} more lines are at fault."
            return [*self.faults, fault(InvalidRequest(message, code="too_many_errors"), line=None)]
        return self.faults


def survey(found: Iterable[Row], reader: Reader) -> Survey:
    """Look at every line, and remember of it no more than the digest of its id."""
    survey, seen = Survey(), set[bytes]()
    for row in found:
        survey.total += not row.is_blank
        if survey.total > MOST_LINES or row.end.lines > MOST_ROWS:
            survey.complain(_too_many())
            break
        if row.is_blank:
            continue
        try:
            line = reader.read(row)
        except InvalidRequest as error:
            survey.complain(error, line=row.end.lines)
            continue
        digest = blake2b(line.custom_id.encode(), digest_size=16).digest()
        if digest in seen:
            survey.complain(_duplicate(line.custom_id), line=row.end.lines)
        seen.add(digest)
        survey.price += line.price
    return survey


def _too_many() -> InvalidRequest:
    message = f"The batch input file has more than the {MOST_LINES} lines that are allowed, or as many blank ones."
    return InvalidRequest(message, code="too_many_tasks")


def _duplicate(custom_id: str) -> InvalidRequest:
    message = f"The custom_id '{custom_id}' was used by a line before."
    return InvalidRequest(message, code="duplicate_custom_id", param="custom_id")


def fault(error: InvalidRequest, *, line: int | None) -> dict[str, Any]:
    """As it is kept with its batch."""
    code = error.code or Code.INVALID_VALUE
    param = error.param and _legible(error.param)
    return {"code": str(code), "message": _legible(error.message), "param": param, "line": line}


def _legible(text: str) -> str:
    """What a database can keep, and not too much of it: it is cut in the middle, where others are quoted."""
    if len(text) > LONGEST_TEXT:
        half = LONGEST_TEXT // 2
        text = f"{text[:half]}…{text[-half:]}"
    return text.encode(errors="replace").decode().replace("\0", "?")
