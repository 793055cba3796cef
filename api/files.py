"""/v1/files: a caller's own files, and nobody else's."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog
from flask import Request, Response

from api import listing, uploads
from api.file_schemas import FileDeleted, FileList, file_response
from api.wording import not_a_member
from core import files
from core.batches import pictures
from core.bootstrap import Services
from core.errors import FileMissing, StoreUnavailable
from core.files import BATCH_OUTPUT, Search
from core.keys import Caller
from core.orm import File

MOST_ON_A_PAGE = 10_000
ORDERS = ("asc", "desc")
SWEPT_AT_ONCE = 100

log = structlog.get_logger()


def upload(services: Services, caller: Caller, request: Request) -> dict[str, Any]:
    """Raises InvalidRequest, RequestEntityTooLarge, StoreUnavailable."""
    return file_response(uploads.take(services, caller.key_id, request)).to_json()


def one(services: Services, caller: Caller, file_id: str) -> dict[str, Any]:
    """Raises FileMissing."""
    return file_response(_find(services, caller, file_id)).to_json()


def every(services: Services, caller: Caller, query: Mapping[str, str]) -> dict[str, Any]:
    """A page of files, newest first unless told otherwise. Raises InvalidRequest."""
    search = Search(**{"limit": MOST_ON_A_PAGE, **listing.read(query, PARAMETERS)})
    with services.database.single() as session:
        found = files.page(session, caller.key_id, replace(search, limit=search.limit + 1))
    shown = [file_response(file) for file in found[: search.limit]]
    return FileList(**listing.envelope(shown, has_more=len(found) > search.limit)).to_json()


def delete(services: Services, caller: Caller, file_id: str) -> dict[str, Any]:
    """Raises FileMissing. What a batch still reads leaves the store afterwards."""
    with services.database.transaction() as session:
        if "\0" in file_id or not files.delete(session, caller.key_id, file_id):
            raise FileMissing(file_id)
    try:
        files.sweep(services.database, services.storage, most=SWEPT_AT_ONCE)
    except StoreUnavailable as error:  # the scheduler comes by again
        log.warning("store.unavailable", error=str(error))
    return FileDeleted(id=file_id, object="file", deleted=True).to_json()


def content(services: Services, caller: Caller, file_id: str) -> Response:
    """The bytes. Of a batch's pictures a new hour begins. Raises FileMissing, StoreUnavailable."""
    file = _find(services, caller, file_id)
    response = Response(mimetype="application/octet-stream")
    response.headers.set("Content-Disposition", "attachment", filename=file.filename)
    response.content_length = file.bytes
    if file.purpose == BATCH_OUTPUT:
        pictures.renew_all(services.database, caller.key_id, file.id)
    if file.bytes:
        response.response = services.storage.stream(file.object_key)
    return response


def _find(services: Services, caller: Caller, file_id: str) -> File:
    if "\0" not in file_id:  # no text to Postgres
        with services.database.single() as session:
            if file := files.own(session, caller.key_id, file_id):
                return file
    raise FileMissing(file_id)


def _newest_first(name: str, text: str) -> bool:
    if text not in ORDERS:
        raise not_a_member(name, text, ORDERS)
    return text == "desc"


def _limit(name: str, text: str) -> int:
    return listing.integer(name, text, least=1, most=MOST_ON_A_PAGE)


PARAMETERS: listing.Parameters = {
    "after": ("after", listing.text),
    "limit": ("limit", _limit),
    "order": ("newest_first", _newest_first),
    "purpose": ("purpose", listing.text),
}
