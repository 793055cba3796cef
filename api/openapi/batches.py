"""Files and batches in the document: OpenAI's own, and what this service adds to them."""

from typing import Any

from werkzeug.exceptions import RequestEntityTooLarge

from api import files, listing, uploads
from api.batches import schemas
from api.batches.reading import LONGEST_LINE, MOST_LINES
from api.batches.schemas import BatchBody, BatchList, BatchObject, ResultList
from api.file_schemas import FileDeleted, FileList, FileObject
from api.openapi import refusals
from api.openapi.operations import COMMON, Operation, answer, parameter, written
from api.openapi.schemas import ref
from api.wording import not_a_member, unknown
from core.errors import BatchMissing, BatchUnfit, FileMissing

FILES, BATCHES = "Files", "Batches"
UPLOAD = f"""\
As a form of several parts, in any order. A file for a batch is of lines of JSON (`.jsonl`), up to \
{uploads.MOST_BATCH_BYTES // 2**20} MiB of them, and is kept for 30 days unless it is told otherwise."""
CREATE = f"""\
The answer comes at once; what is wrong with the file is told afterwards, of the batch: every bad line, and then \
nothing of it is made or charged. A file has up to {MOST_LINES:,} lines of up to {LONGEST_LINE // 2**20} MiB: \
`{{"custom_id", "method": "POST", "url": "{schemas.ENDPOINT}", "body"}}`; they may be for several models."""
RESULTS = """\
Beyond OpenAI's contract: lines that have ended, in the order of the file and in the shape of the files of \
results, also while the batch runs. Pictures are at their addresses, which hold for an hour from now, whatever \
`response_format` was asked for."""
CANCEL = """\
What has not begun ends at once, what is under way is finished and paid for; then the results that are there are \
written. Cancelling once more changes nothing."""
PAUSE = "Beyond OpenAI's contract: nothing of it starts from now on; what is under way is finished."
RETRY = """\
Beyond OpenAI's contract: a new batch of the lines that failed, were cancelled or expired, under the same \
`custom_id`s."""
CONTENT = "Of the pictures whose addresses are in a file of results a new hour begins with every download."
FILE_ID = parameter("path", "file_id", "The id of a file.", {"type": "string"}, example="file-abc123")
BATCH_ID = parameter("path", "batch_id", "The id of a batch.", {"type": "string"}, example="batch_abc123")
AFTER = parameter(
    "query", "after", "The page begins behind this one: `last_id` of the page before.", {"type": "string"}
)
LIMIT = parameter(
    "query",
    "limit",
    "How many a page has at most.",
    {"type": "integer", "minimum": 1, "maximum": listing.MOST_ON_A_PAGE, "default": listing.USUAL_LIMIT},
)
MANY = parameter(
    "query",
    "limit",
    "How many a page has at most.",
    {"type": "integer", "minimum": 1, "maximum": files.MOST_ON_A_PAGE, "default": files.MOST_ON_A_PAGE},
)
ORDER = parameter(
    "query",
    "order",
    "By the time of the upload.",
    {"type": "string", "enum": list(files.ORDERS), "default": "desc"},
)
PURPOSE = parameter("query", "purpose", "Only files of this purpose.", {"type": "string"})
AFTER_LINE = parameter("query", "after", "Lines beyond this one.", {"type": "integer", "minimum": 0, "default": 0})
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
WRONG_QUERY = [refusals.refused(unknown("colour"))]
WRONG_BODY = [*WRONG_QUERY, refusals.refused(not_a_member("completion_window", "48h", (schemas.WINDOW,)))]


def operations() -> list[Operation]:
    return [*_of_files(), *_of_batches(), *_of_one_batch()]


def _of_files() -> list[Operation]:
    return [
        Operation(
            method="post",
            path="/v1/files",
            id="createFile",
            tag=FILES,
            summary="Upload a file",
            description=UPLOAD,
            body={"required": True, "content": {"multipart/form-data": {"schema": FORM}}},
            answers={200: answer("The file.", FileObject)},
            errors=[*WRONG_QUERY, *refusals.of_protocol(RequestEntityTooLarge), *COMMON],
        ),
        Operation(
            method="get",
            path="/v1/files",
            id="listFiles",
            tag=FILES,
            summary="List files",
            parameters=[MANY, AFTER, ORDER, PURPOSE],
            answers={200: answer("A page of files.", FileList)},
            errors=[*WRONG_QUERY, *COMMON],
        ),
        _of_file("get", "retrieveFile", "Look at a file", answers={200: answer("The file.", FileObject)}),
        _of_file("delete", "deleteFile", "Delete a file", answers={200: answer("It is gone.", FileDeleted)}),
        _of_file(
            "get",
            "downloadFile",
            "Fetch what is in a file",
            verb="/content",
            description=CONTENT,
            answers={200: written("The bytes.", {"application/octet-stream": {}})},
        ),
    ]


def _of_file(method: str, name: str, summary: str, *, verb: str = "", **more: Any) -> Operation:
    errors = [*refusals.of(FileMissing), *COMMON]
    path = f"/v1/files/{{file_id}}{verb}"
    return Operation(
        method=method, path=path, id=name, tag=FILES, summary=summary, parameters=[FILE_ID], errors=errors, **more
    )


def _of_batches() -> list[Operation]:
    return [
        Operation(
            method="post",
            path="/v1/batches",
            id="createBatch",
            tag=BATCHES,
            summary="Make a batch of a file",
            description=CREATE,
            body={"required": True, "content": {"application/json": {"schema": ref(BatchBody)}}},
            answers={200: answer("The batch, about to be validated.", BatchObject)},
            errors=[*WRONG_BODY, *COMMON],
        ),
        Operation(
            method="get",
            path="/v1/batches",
            id="listBatches",
            tag=BATCHES,
            summary="List batches",
            parameters=[LIMIT, AFTER],
            answers={200: answer("A page of batches, newest first.", BatchList)},
            errors=[*WRONG_QUERY, *COMMON],
        ),
        Operation(
            method="get",
            path="/v1/batches/{batch_id}",
            id="retrieveBatch",
            tag=BATCHES,
            summary="Look at a batch",
            parameters=[BATCH_ID],
            answers={200: answer("The batch as it stands.", BatchObject)},
            errors=[*refusals.of(BatchMissing), *COMMON],
        ),
        Operation(
            method="get",
            path="/v1/batches/{batch_id}/results",
            id="listBatchResults",
            tag=BATCHES,
            summary="Read results, also while a batch runs",
            description=RESULTS,
            parameters=[BATCH_ID, LIMIT, AFTER_LINE],
            answers={200: answer("A page of lines that have ended.", ResultList)},
            errors=[*WRONG_QUERY, *refusals.of(BatchMissing), *COMMON],
        ),
    ]


def _of_one_batch() -> list[Operation]:
    told = {
        "cancel": ("cancelBatch", "Cancel a batch", CANCEL),
        "pause": ("pauseBatch", "Pause a batch", PAUSE),
        "resume": ("resumeBatch", "Let a paused batch go on", "Beyond OpenAI's contract."),
        "retry": ("retryBatch", "Make a batch of the lines that failed", RETRY),
    }
    return [
        Operation(
            method="post",
            path=f"/v1/batches/{{batch_id}}/{verb}",
            id=name,
            tag=BATCHES,
            summary=summary,
            description=description,
            parameters=[BATCH_ID],
            answers={200: answer("The batch; for a retry, the new one.", BatchObject)},
            errors=[*refusals.of(BatchMissing, BatchUnfit), *COMMON],
        )
        for verb, (name, summary, description) in told.items()
    ]
