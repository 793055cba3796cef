"""GET /v1/images/jobs/{id}/events: what becomes of a job, told as it happens, as server-sent events."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any, NamedTuple, Self

import structlog
from flask import Response

from api.job_schemas import SETTLED, STATUSES, JobStatus, job_response, picture_response, progress
from api.lookout import Lookout
from api.wording import Code
from core.bootstrap import Services
from core.errors import InvalidRequest
from core.reports import Happening, Report
from core.states import MOVES, JobState

# Proxies give a silent connection a minute, some half of that.
HEARTBEAT_SECONDS = 15.0
RETRY_MILLISECONDS = 2000
HEARTBEAT = ": still here\n\n"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

log = structlog.get_logger()


class Cursor(NamedTuple):
    """How much of its job a follower has been told: the `id` of an event.

    The number of job events that were looked at, the positions of pictures as bits, the percent and the place that
    were told last.
    """

    events: int = 0
    pictures: int = 0
    progress: int = 0
    place: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises InvalidRequest."""
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9}){3}", text):
            raise _foreign(text)
        return cls(*map(int, text.split(".")))

    def __str__(self) -> str:
        return ".".join(map(str, self))


def _foreign(text: str) -> InvalidRequest:
    message = f"Invalid 'Last-Event-ID': '{text}' is not the id of an event of this job."
    return InvalidRequest(message, code=Code.INVALID_VALUE, param="Last-Event-ID")


def stream(services: Services, lookout: Lookout, report: Report, *, last_event_id: str) -> Response:
    """What is new since the event of that id, all where it is empty, and on until the job has ended.

    204 where the end was told already, by which browsers know not to come back. Raises InvalidRequest.
    """
    told = Cursor.parse(last_event_id) if last_event_id else Cursor()
    if told.events > len(report.history) or told.pictures >> report.job.request["n"]:
        raise _foreign(last_event_id)
    if _has_ended(report) and told.events == len(report.history):
        return Response(status=204)
    events = _follow(lookout, report, Story(services, told))
    return Response(events, mimetype="text/event-stream", headers=HEADERS)


def _follow(lookout: Lookout, report: Report, story: "Story") -> Iterator[str]:
    begun = time.monotonic()
    try:
        with lookout.post(report.job.id) as post:
            yield f"retry: {RETRY_MILLISECONDS}\n\n"
            yield from story.go_on(report)
            while not _has_ended(report) and not post.closed:
                report = post.wait(HEARTBEAT_SECONDS) or report
                yield "".join(story.go_on(report)) or HEARTBEAT
    finally:
        log.info(
            "stream.ended",
            job_id=str(report.job.id),
            settled=_has_ended(report),
            seconds=round(time.monotonic() - begun, 1),
        )


def _has_ended(report: Report) -> bool:
    return STATUSES[report.job.state] in SETTLED


class Story:
    """Tells a job's follower what was not told yet, in order; what is told with the end comes before it."""

    def __init__(self, services: Services, told: Cursor) -> None:
        self._services = services
        self._told = told

    def go_on(self, report: Report) -> Iterator[str]:
        yield from self._states(report)
        yield from self._position(report)
        yield from self._pictures(report)
        if _has_ended(report):
            end = job_response(report, self._services)
            yield self._tell(end.status, end.to_json(), events=len(report.history))

    def _states(self, report: Report) -> Iterator[str]:
        before = None
        for number, happening in enumerate(report.history, 1):
            status = _led_to(happening)
            if number > self._told.events and status is not before and status not in SETTLED:
                state = {"status": status, "attempt": happening.attempt, "at": int(happening.at.timestamp())}
                yield self._tell("state", state, events=number, place=0)
            before = status

    def _position(self, report: Report) -> Iterator[str]:
        if report.queue_position and report.queue_position != self._told.place:
            yield self._tell("position", {"queue_position": report.queue_position}, place=report.queue_position)

    def _pictures(self, report: Report) -> Iterator[str]:
        for picture in report.pictures:
            bit = 1 << picture.position
            if not self._told.pictures & bit:
                item = picture_response(picture, report.job, self._services).to_json()
                data = {"index": picture.position, **item}
                yield self._tell("picture", data, pictures=self._told.pictures | bit)
        if (percent := progress(report)) != self._told.progress:
            yield self._tell("progress", {"progress": percent}, progress=percent)

    def _tell(self, event: str, data: dict[str, Any], **told: int) -> str:
        self._told = self._told._replace(**told)
        return f"event: {event}\nid: {self._told}\ndata: {json.dumps(data)}\n\n"


def _led_to(happening: Happening) -> JobStatus:
    """The status in which an event left its job."""
    move = MOVES.get(happening.event)
    return STATUSES[move[1] if move else JobState.QUEUED]
