"""Jobs in the document: how they are found, followed and cancelled."""

from api import listing
from api.job_events import Cursor
from api.job_schemas import SETTLED, ImageJob, JobList, JobStatus
from api.openapi import refusals
from api.openapi.operations import COMMON, Operation, answer, missing, parameter, written
from core.errors import JobIsSettled, JobMissing

TAG = "Jobs"
ANY = "Only the API key's own jobs are there, whichever way they came in."
FOLLOW = """\
What becomes of a job, as server-sent events, told as it happens and from the beginning:

- `state`: `status` is `queued` or `in_progress`, with `attempt` and the time `at`.
- `position`: `queue_position`, 1 for the next to start.
- `picture`: a picture that is there, as in the job's `data`, with its `index`.
- `progress`: how many of the pictures are there, in percent.
- `completed`, `failed`, `cancelled`: the whole job, and the end.

A line that breaks is taken up where it ended by `Last-Event-ID`, which browsers send by themselves. Comments in \
between keep the line open.
"""
CANCEL = """\
A provider call under way is finished; pictures that have landed stay, and are charged. Cancelling once more \
changes nothing."""
TOLD = ["state", "position", "picture", "progress", *(word for word in JobStatus if word in SETTLED)]
EVENT = {
    "type": "object",
    "required": ["event", "id", "data"],
    "properties": {
        "event": {"type": "string", "enum": TOLD},
        "id": {"type": "string"},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
    "examples": [{"event": "progress", "id": "3.1.50.0", "data": '{"progress": 50}'}],
}
JOB_ID = parameter("path", "job_id", "The id of a job.", {"type": "string", "format": "uuid"})
SECOND = {"type": "integer", "minimum": 0, "maximum": listing.LAST_SECOND}
LIMIT = {"type": "integer", "minimum": 1, "maximum": listing.MOST_ON_A_PAGE, "default": listing.USUAL_LIMIT}
STATUSES = {"type": "array", "items": {"type": "string", "enum": list(JobStatus)}}
PAIRS = {"type": "object", "additionalProperties": {"type": "string"}}
SEARCH = (
    parameter("query", "limit", "How many jobs a page has at most.", LIMIT),
    parameter(
        "query", "after", "The page begins behind this job: `last_id` of the page before.", JOB_ID["schema"]
    ),
    parameter("query", "status", "One or several, separated by commas.", STATUSES, style="form", explode=False),
    parameter("query", "model", "The model that was asked for.", {"type": "string"}),
    parameter("query", "created_after", "Unix seconds; the first that count.", SECOND),
    parameter("query", "created_before", "Unix seconds; the first that do not count.", SECOND),
    parameter(
        "query",
        "metadata",
        "Jobs that were given this: `metadata[order]=17`.",
        PAIRS,
        style="deepObject",
        explode=True,
    ),
)
WRONG_SEARCHES = ({"colour": "red"}, {"status": "done"}, {"limit": "many"}, {"limit": "0"}, {"limit": "101"})
LAST_EVENT = parameter(
    "header",
    "Last-Event-ID",
    "The `id` of the last event that was received.",
    {"type": "string"},
    example="3.1.0.0",
)


def operations() -> list[Operation]:
    return [_list(), _retrieve(), _cancel(), _follow()]


def _list() -> Operation:
    return Operation(
        method="get",
        path="/v1/images/jobs",
        id="listImageJobs",
        tag=TAG,
        summary="List jobs",
        description=f"Newest first, a page at a time. {ANY}",
        parameters=SEARCH,
        answers={200: answer("A page of jobs.", JobList)},
        errors=[*refusals.by(listing.search, *WRONG_SEARCHES), *COMMON],
    )


def _retrieve() -> Operation:
    return Operation(
        method="get",
        path="/v1/images/jobs/{job_id}",
        id="retrieveImageJob",
        tag=TAG,
        summary="Look at a job",
        description=ANY,
        parameters=[JOB_ID],
        answers={200: answer("The job, with the pictures that are there.", ImageJob)},
        errors=missing(JobMissing),
    )


def _cancel() -> Operation:
    return Operation(
        method="post",
        path="/v1/images/jobs/{job_id}/cancel",
        id="cancelImageJob",
        tag=TAG,
        summary="Cancel a job",
        description=CANCEL,
        parameters=[JOB_ID],
        answers={200: answer("The job, cancelled.", ImageJob)},
        errors=[*missing(JobMissing), *refusals.of(JobIsSettled)],
    )


def _follow() -> Operation:
    return Operation(
        method="get",
        path="/v1/images/jobs/{job_id}/events",
        id="followImageJob",
        tag=TAG,
        summary="Follow a job",
        description=FOLLOW,
        parameters=[JOB_ID, LAST_EVENT],
        answers={
            200: written("The events, each of this form.", {"text/event-stream": {"schema": EVENT}}),
            204: written("Everything was told already.", {}),
        },
        errors=[*refusals.by(Cursor.parse, "yesterday"), *missing(JobMissing)],
    )
