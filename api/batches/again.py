"""A batch of the lines that failed in another: the clerk makes a file of them, then all goes its usual way."""

import json
from collections.abc import Iterable, Iterator
from datetime import timedelta

from api.batches.schemas import ENDPOINT
from core import files
from core.batches import lines, orders
from core.batches.lines import Unmade
from core.bootstrap import Services
from core.files import BATCH_INPUT
from core.generation import GenerationRequest
from core.orm import Batch, File

LINES_AT_ONCE = 1000
# As long as the file that a caller uploads for a batch.
LIFETIME = timedelta(days=30)


def order(batch: Batch, *, request_id: str) -> Batch:
    """The batch that is to be made, whose file is not there yet."""
    return Batch(
        id=orders.new_id(),
        key_id=batch.key_id,
        endpoint=batch.endpoint,
        completion_window=batch.completion_window,
        input_file_id=files.new_id(),
        retry_of=batch.id,
        request_id=request_id,
        metadata_=batch.metadata_,
        output_seconds=batch.output_seconds,
    )


def write(services: Services, batch: Batch, pieces: Iterable[bytes]) -> File:
    """Make the file that it reads. Raises StoreUnavailable."""
    object_key = files.object_key(batch.input_file_id)
    file = File(
        id=batch.input_file_id,
        key_id=batch.key_id,
        purpose=BATCH_INPUT,
        filename=f"{batch.retry_of}_retry.jsonl",
        bytes=services.storage.put_pieces(object_key, pieces),
        object_key=object_key,
    )
    with services.database.transaction() as session:
        longest = timedelta(days=services.settings.keep_prompts_days)
        return files.record(session, file, lifetime=min(LIFETIME, longest))


def content(services: Services, batch_id: str) -> Iterator[bytes]:
    """The lines of a batch that came to nothing, as they would be sent."""
    after = 0
    while True:
        with services.database.single() as session:
            found = lines.unmade(session, batch_id, after=after, most=LINES_AT_ONCE)
        if not found:
            return
        for line in found:
            written = {"custom_id": line.custom_id, "method": "POST", "url": ENDPOINT, "body": _body(line)}
            yield json.dumps(written, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
        after = found[-1].number


def _body(line: Unmade) -> dict[str, object]:
    """The request as it was understood, which says the same as its first wording."""
    request = GenerationRequest.from_json(line.request)
    given = {
        "model": request.model,
        "prompt": request.prompt,
        "n": request.n,
        "size": str(request.size),
        "quality": request.quality,
        "style": request.style,
        "response_format": request.response_format,
        **request.extras,
        "metadata": line.metadata,
        "priority": line.priority or None,
    }
    return {name: value for name, value in given.items() if value is not None}
