"""Batches in the document: OpenAI's own, and what this service adds to them."""

from api.batches import schemas
from api.batches.reading import LONGEST_LINE, MOST_LINES
from api.batches.schemas import BatchBody, BatchList, BatchObject, ResultList
from api.openapi import refusals
from api.openapi.operations import COMMON, Operation, answer, body, parameter
from api.openapi.pages import AFTER, LIMIT, WRONG_QUERY
from api.wording import not_a_member
from core.errors import BatchMissing, BatchUnfit, PromptsForgotten

TAG = "Batches"
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
BATCH_ID = parameter("path", "batch_id", "The id of a batch.", {"type": "string"}, example="batch_abc123")
AFTER_LINE = parameter("query", "after", "Lines beyond this one.", {"type": "integer", "minimum": 0, "default": 0})
WRONG_BODY = [*WRONG_QUERY, refusals.refused(not_a_member("completion_window", "48h", (schemas.WINDOW,)))]
# what is done to a batch -> (operation id, summary, description)
VERBS = {
    "cancel": ("cancelBatch", "Cancel a batch", CANCEL),
    "pause": ("pauseBatch", "Pause a batch", PAUSE),
    "resume": ("resumeBatch", "Let a paused batch go on", "Beyond OpenAI's contract."),
    "retry": ("retryBatch", "Make a batch of the lines that failed", RETRY),
}


def operations() -> list[Operation]:
    return [_create(), _list(), _retrieve(), _results(), *(_do(verb, *told) for verb, told in VERBS.items())]


def _create() -> Operation:
    return Operation(
        method="post",
        path="/v1/batches",
        id="createBatch",
        tag=TAG,
        summary="Make a batch of a file",
        description=CREATE,
        body=body(BatchBody),
        answers={200: answer("The batch, about to be validated.", BatchObject)},
        errors=[*WRONG_BODY, *COMMON],
    )


def _list() -> Operation:
    return Operation(
        method="get",
        path="/v1/batches",
        id="listBatches",
        tag=TAG,
        summary="List batches",
        parameters=[LIMIT, AFTER],
        answers={200: answer("A page of batches, newest first.", BatchList)},
        errors=[*WRONG_QUERY, *COMMON],
    )


def _retrieve() -> Operation:
    return Operation(
        method="get",
        path="/v1/batches/{batch_id}",
        id="retrieveBatch",
        tag=TAG,
        summary="Look at a batch",
        parameters=[BATCH_ID],
        answers={200: answer("The batch as it stands.", BatchObject)},
        errors=[*refusals.of(BatchMissing), *COMMON],
    )


def _results() -> Operation:
    return Operation(
        method="get",
        path="/v1/batches/{batch_id}/results",
        id="listBatchResults",
        tag=TAG,
        summary="Read results, also while a batch runs",
        description=RESULTS,
        parameters=[BATCH_ID, LIMIT, AFTER_LINE],
        answers={200: answer("A page of lines that have ended.", ResultList)},
        errors=[*WRONG_QUERY, *refusals.of(BatchMissing), *COMMON],
    )


def _do(verb: str, name: str, summary: str, description: str) -> Operation:
    refused = (BatchMissing, BatchUnfit, *([PromptsForgotten] if verb == "retry" else []))
    return Operation(
        method="post",
        path=f"/v1/batches/{{batch_id}}/{verb}",
        id=name,
        tag=TAG,
        summary=summary,
        description=description,
        parameters=[BATCH_ID],
        answers={200: answer("The batch; for a retry, the new one.", BatchObject)},
        errors=[*refusals.of(*refused), *COMMON],
    )
