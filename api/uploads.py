"""POST /v1/files: a form with a file becomes a file in the store, a piece at a time, then a row on the ledger."""

import json
import re
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import IO, Any
from uuid import UUID

from flask import Request
from gevent import sleep
from werkzeug.datastructures import FileStorage
from werkzeug.formparser import parse_form_data

from api import listing
from api.bodies import refuse_other_types
from api.extras import is_text
from api.wording import missing, not_a_member, not_text
from core import files
from core.bootstrap import Services
from core.errors import InvalidRequest, StoreUnavailable
from core.files import BATCH_INPUT
from core.orm import File

MOST_BYTES = 512 * 1024 * 1024
MOST_BATCH_BYTES = 200 * 1024 * 1024
# What is around the file in its form.
MOST_FORM_BYTES = 1024 * 1024
MOST_PARTS = 20
SPOOLED_BYTES = 512 * 1024
PIECE_BYTES = 64 * 1024
LONGEST_FIRST_LINE = 1024 * 1024
LONGEST_NAME = 255
PURPOSES = ("assistants", BATCH_INPUT, "fine-tune", "vision", "user_data", "evals")
ANCHORS = ("created_at",)
SHORTEST_LIFE, LONGEST_LIFE = 3600, 30 * 86_400
# Files for batches live as long as they may, all others until they are deleted.
USUAL_LIVES: Mapping[str, timedelta] = {BATCH_INPUT: timedelta(seconds=LONGEST_LIFE)}
ANCHOR, SECONDS = "expires_after[anchor]", "expires_after[seconds]"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it was sent, with what its sender says of it."""

    purpose: str
    filename: str
    lifetime: timedelta | None
    body: IO[bytes]
    bytes: int


class _Spool(SpooledTemporaryFile[bytes]):
    """On disk beyond SPOOLED_BYTES. A fast sender gives way to everybody else's calls after every piece."""

    def write(self, piece: Any) -> int:
        sleep(0)
        return super().write(piece)


def take(services: Services, key_id: UUID, request: Request) -> File:
    """Raises InvalidRequest, RequestEntityTooLarge, StoreUnavailable; nothing is listed then."""
    try:
        with ExitStack() as spools:
            return _keep(services, key_id, _read(request, spools))
    except OSError as error:  # the disk of the spool is full
        raise StoreUnavailable(str(error)) from error


def _keep(services: Services, key_id: UUID, upload: Upload) -> File:
    file_id = files.new_id()
    object_key = files.object_key(file_id)
    upload.body.seek(0)
    services.storage.put_pieces(object_key, iter(partial(upload.body.read, PIECE_BYTES), b""))
    file = File(
        id=file_id,
        key_id=key_id,
        purpose=upload.purpose,
        filename=upload.filename,
        bytes=upload.bytes,
        object_key=object_key,
    )
    longest = timedelta(days=services.settings.keep_prompts_days)
    lifetime = min(upload.lifetime or longest, longest) if upload.purpose == BATCH_INPUT else upload.lifetime
    with services.database.transaction() as session:
        return files.record(session, file, lifetime=lifetime)


def _read(request: Request, spools: ExitStack) -> Upload:
    refuse_other_types(request, "multipart/form-data")
    _, form, sent = parse_form_data(
        request.environ,
        stream_factory=lambda *_, **__: spools.enter_context(_Spool(SPOOLED_BYTES)),
        max_content_length=MOST_BYTES + MOST_FORM_BYTES,
        max_form_memory_size=MOST_FORM_BYTES,
        max_form_parts=MOST_PARTS,
    )
    purpose, file = _purpose(form.get("purpose")), sent.get("file")
    if file is None:
        raise InvalidRequest("'file' is a required property")
    upload = Upload(purpose, _name(file), _lifetime(form, purpose), file.stream, _length(file.stream))
    if upload.bytes > MOST_BYTES:
        raise InvalidRequest(f"The file is larger than the {MOST_BYTES} maximum.")
    if purpose == BATCH_INPUT:
        _check_batch(upload)
    return upload


def _purpose(text: str | None) -> str:
    if not text:
        raise InvalidRequest("'purpose' is a required property")
    if text not in PURPOSES:
        raise InvalidRequest(f"'{text}' is not one of {list(PURPOSES)} - 'purpose'")
    return text


def _name(file: FileStorage) -> str:
    """A label and nothing more: no path, neither of this system nor of another."""
    name = re.split(r"[/\\]", file.filename or "")[-1][-LONGEST_NAME:] or "upload"
    if not is_text(name):
        raise not_text("file")
    return name


def _lifetime(form: Mapping[str, str], purpose: str) -> timedelta | None:
    anchor, seconds = form.get(ANCHOR), form.get(SECONDS)
    if anchor is None and seconds is None:
        return USUAL_LIVES.get(purpose)
    if anchor is None or seconds is None:
        raise missing(ANCHOR if anchor is None else SECONDS)
    if anchor not in ANCHORS:
        raise not_a_member(ANCHOR, anchor, ANCHORS)
    return timedelta(seconds=listing.integer(SECONDS, seconds, least=SHORTEST_LIFE, most=LONGEST_LIFE))


def _length(body: IO[bytes]) -> int:
    return body.seek(0, 2)


def _check_batch(upload: Upload) -> None:
    """As far as OpenAI looks: what else is wrong with its lines is told of the batch."""
    if upload.bytes > MOST_BATCH_BYTES:
        raise InvalidRequest(f"The batch input file is larger than the {MOST_BATCH_BYTES} maximum.")
    if not upload.filename.lower().endswith(".jsonl") or not _begins_with_json(upload.body):
        raise InvalidRequest("Invalid file format for Batch API. Must be .jsonl")


def _begins_with_json(body: IO[bytes]) -> bool:
    body.seek(0)
    try:
        json.loads(body.readline(LONGEST_FIRST_LINE).decode())
    except (ValueError, RecursionError):
        return False
    return True
