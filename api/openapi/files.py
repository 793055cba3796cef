"""Files in the document: what a batch is made of, and what came of one."""

from typing import Any

from werkzeug.exceptions import RequestEntityTooLarge

from api import files, uploads
from api.file_schemas import FileDeleted, FileList, FileObject
from api.openapi import refusals
from api.openapi.operations import COMMON, Operation, answer, parameter, written
from api.openapi.pages import AFTER, WRONG_QUERY, limit
from core.errors import FileMissing

TAG = "Files"
UPLOAD = f"""\
As a form of several parts, in any order. A file for a batch is of lines of JSON (`.jsonl`), up to \
{uploads.MOST_BATCH_BYTES // 2**20} MiB of them, and is kept for 30 days, or less where it is told so or the \
operator keeps no prompts for so long: `expires_at` has the truth."""
CONTENT = "Of the pictures whose addresses are in a file of results a new hour begins with every download."
FILE_ID = parameter("path", "file_id", "The id of a file.", {"type": "string"}, example="file-abc123")
MANY = limit(most=files.MOST_ON_A_PAGE, usual=files.MOST_ON_A_PAGE)
ORDER = parameter(
    "query",
    "order",
    "By the time of the upload.",
    {"type": "string", "enum": list(files.ORDERS), "default": "desc"},
)
PURPOSE = parameter("query", "purpose", "Only files of this purpose.", {"type": "string"})
FORM: dict[str, Any] = {
    "type": "object",
    "required": ["file", "purpose"],
    "properties": {
        "file": {"type": "string", "contentMediaType": "application/octet-stream"},
        "purpose": {"type": "string", "enum": list(uploads.PURPOSES)},
        "expires_after[anchor]": {"type": "string", "enum": list(uploads.ANCHORS)},
        "expires_after[seconds]": {
            "type": "integer",
            "minimum": uploads.SHORTEST_LIFE,
            "maximum": uploads.LONGEST_LIFE,
        },
    },
}


def operations() -> list[Operation]:
    return [
        _upload(),
        _list(),
        _of_one("get", "retrieveFile", "Look at a file", answers={200: answer("The file.", FileObject)}),
        _of_one("delete", "deleteFile", "Delete a file", answers={200: answer("It is gone.", FileDeleted)}),
        _of_one(
            "get",
            "downloadFile",
            "Fetch what is in a file",
            verb="/content",
            description=CONTENT,
            answers={200: written("The bytes.", {"application/octet-stream": {}})},
        ),
    ]


def _upload() -> Operation:
    return Operation(
        method="post",
        path="/v1/files",
        id="createFile",
        tag=TAG,
        summary="Upload a file",
        description=UPLOAD,
        body={"required": True, "content": {"multipart/form-data": {"schema": FORM}}},
        answers={200: answer("The file.", FileObject)},
        errors=[*WRONG_QUERY, *refusals.of_protocol(RequestEntityTooLarge), *COMMON],
    )


def _list() -> Operation:
    return Operation(
        method="get",
        path="/v1/files",
        id="listFiles",
        tag=TAG,
        summary="List files",
        parameters=[MANY, AFTER, ORDER, PURPOSE],
        answers={200: answer("A page of files.", FileList)},
        errors=[*WRONG_QUERY, *COMMON],
    )


def _of_one(method: str, name: str, summary: str, *, verb: str = "", **more: Any) -> Operation:
    errors = [*refusals.of(FileMissing), *COMMON]
    path = f"/v1/files/{{file_id}}{verb}"
    return Operation(
        method=method, path=path, id=name, tag=TAG, summary=summary, parameters=[FILE_ID], errors=errors, **more
    )
