"""What came of a batch's lines, for files and pages: the answers that calls of their own would have got."""

import json
from base64 import b64encode
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from api import pictures
from api.answers import UNREADABLE
from api.batches.schemas import LineError, LineResponse, LineResult
from api.envelopes import error_response
from api.errors import CANCELLED, FAILURES, Answer
from api.schemas import images_response
from core import results
from core.batches import lines
from core.batches.lines import Ended
from core.bootstrap import Services
from core.errors import ObjectLost
from core.generation import ResponseFormat
from core.orm import Batch
from core.results import Image, Result
from core.states import JobState

OK = 200
LINES_AT_ONCE = 500
# But for pictures in themselves.
LONGEST_LINE = 1024 * 1024
CALLED_OFF = LineError(code="batch_cancelled", message="This request was cancelled with its batch.")
EXPIRED = LineError(
    code="batch_expired", message="This request could not be executed before the completion window expired."
)
Show = Callable[[Image], dict[str, str]]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Writer:
    """Tells what came of the lines of one batch."""

    services: Services
    batch: Batch

    def file(self, states: Collection[JobState]) -> Iterator[bytes]:
        """A line for each line that ended so. Pictures that were asked for in themselves are in it."""
        for line, result in self._ended(states):
            show = self._embed if line.response_format is ResponseFormat.B64_JSON else self._address
            shown = self._tell(line, result, show).to_json()
            yield json.dumps(shown, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"

    def most_bytes(self) -> int:
        """What no file of its lines is larger than."""
        with self.services.database.single() as session:
            embedded = lines.embedded_bytes(session, self.batch.id)
        return self.batch.total * LONGEST_LINE + embedded * 4 // 3  # as Base64 has them

    def page(self, session: Session, *, after: int, most: int) -> list[tuple[Ended, LineResult]]:
        """Lines that have ended, in the order of the file. Pictures are at their addresses, however asked for."""
        found = lines.ended(session, self.batch.id, after=after, most=most)
        came = results.of_jobs(session, [line.job_id for line in found])
        return [(line, self._tell(line, came[line.job_id], self._address)) for line in found]

    def _ended(self, states: Collection[JobState]) -> Iterator[tuple[Ended, Result]]:
        after = 0
        while True:
            with self.services.database.single() as session:
                found = lines.ended(session, self.batch.id, after=after, most=LINES_AT_ONCE, states=states)
                came: dict[UUID, Result] = results.of_jobs(session, [line.job_id for line in found])
            if not found:
                return
            yield from ((line, came[line.job_id]) for line in found)
            after = found[-1].number

    def _tell(self, line: Ended, result: Result, show: Show) -> LineResult:
        response = error = None
        if result.state is JobState.COMPLETED:
            response = self._success(line, result, show)
        elif result.state is JobState.CANCELLED and (error := self._never_sent(line)) is None:
            response = _refusal(line, CANCELLED)
        elif result.failure:
            response = _refusal(line, FAILURES[result.failure.kind], result.failure.message)
        return LineResult(
            id=f"batch_req_{line.job_id.hex}", custom_id=line.custom_id, response=response, error=error
        )

    def _success(self, line: Ended, result: Result, show: Show) -> LineResponse:
        try:
            body = images_response(result, show, model=self.services.catalog.model(line.model))
        except ObjectLost:  # the picture will not come back, and the other lines shall not wait for it
            log.exception("picture.lost", job_id=str(line.job_id))
            return _refusal(line, FAILURES[UNREADABLE.kind], UNREADABLE.message)
        return LineResponse(status_code=OK, request_id=line.request_id, body=body)

    def _never_sent(self, line: Ended) -> LineError | None:
        """None for a line that was cancelled alone, as a job."""
        if self.batch.cancelling_at and line.settled_at >= self.batch.cancelling_at:
            return CALLED_OFF
        return EXPIRED if line.settled_at >= self.batch.expires_at else None

    def _address(self, image: Image) -> dict[str, str]:
        return {"url": pictures.address(self.services, image.name)}

    def _embed(self, image: Image) -> dict[str, str]:
        return {"b64_json": b64encode(self.services.storage.read(image.object_key)).decode()}


def _refusal(line: Ended, answer: Answer, message: str = "") -> LineResponse:
    body = error_response(answer, message)
    return LineResponse(status_code=answer.status, request_id=line.request_id, body=asdict(body))
