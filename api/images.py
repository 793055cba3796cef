"""POST /v1/images/generations: find the job again or record one, wait for it, answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Request, Response, after_this_request, jsonify
from structlog.contextvars import bind_contextvars

from api import answers, calls, jobs, limits, preferences, traces
from api.bodies import read_json
from api.calls import Call
from api.errors import Restarting, Unsure, WaitTooLong
from api.extras import is_text
from api.metrics.http import waiting
from api.preferences import Preferences
from api.seats import Parting, Seat
from api.validation import Checked, parse
from api.waiting import WaitingRoom
from core import job_ids
from core.bootstrap import Services
from core.database import UNAVAILABLE
from core.errors import IntakeInDoubt
from core.generation import ResponseFormat
from core.keys import Caller
from core.results import Result
from core.states import Door, Lane
from core.submissions import Submission

ACCEPTED = 202
# For the log alone, by nginx's custom: the client closed the connection.
GONE = 499


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as it was understood: what for, by whom, how it may come again, and how it would be answered."""

    checked: Checked
    caller: Caller
    call: Call
    preferred: Preferences
    request_id: str
    received: dict[str, Any]


def generate(
    services: Services, room: WaitingRoom, request: Request, *, caller: Caller, request_id: str
) -> Response:
    """Block until the job is settled, or as long as the caller would like.

    The job does not depend on this call: it ends whether or not somebody still waits. Raises InvalidRequest,
    JobFailed, PicturesExpired, WaitTooLong, and whatever speaks against a new job.
    """
    asked = _understand(services, request, caller, request_id=request_id)
    call = asked.call
    with room.seat(job_ids.new_job_id(), call) as seat:
        job_id = room.replays.find(call)
        if job_id is None:
            with room.replays.refusing(call), _in_doubt(call):
                job_id = _record(services, asked, seat)
        is_new = job_id == seat.job_id
        if not is_new:
            room.move(seat, job_id)
        traces.notice(job_id, is_new=is_new)
        bind_contextvars(job_id=str(job_id))
        seconds = asked.preferred.bound(call.bound(services.settings.wait_seconds))
        with waiting():
            outcome = room.wait(seat, seconds, request.environ.get("gunicorn.socket"))
    return _answer(services, room, asked, seat=seat, outcome=outcome)


def _understand(services: Services, request: Request, caller: Caller, *, request_id: str) -> Asked:
    body = read_json(request)
    settings = services.settings
    checked = parse(body, services.catalog, settings.default_model, webhook_hosts=settings.webhook_hosts)
    preferred = preferences.read(request.headers)
    return Asked(
        checked=checked,
        caller=caller,
        call=calls.read(request.headers, body, caller=caller, door=preferred.door),
        preferred=preferred,
        request_id=request_id,
        received=_received(body),
    )


def _received(body: dict[str, Any]) -> dict[str, Any]:
    """The body as it came, but for the prompt, which is kept once, and text that no database can keep."""
    return {
        name: value
        for name, value in body.items()
        if name != "prompt" and (not isinstance(value, str) or is_text(value))
    }


@contextmanager
def _in_doubt(call: Call) -> Iterator[None]:
    """Whether a job was recorded is found out by the same call, where it comes again."""
    try:
        yield
    except IntakeInDoubt as error:
        raise (Unsure if call.comes_back else IntakeInDoubt) from error


def _record(services: Services, asked: Asked, seat: Seat) -> UUID:
    """The id of a new job, or of the one that the same Idempotency-Key has made this very moment."""
    checked, call = asked.checked, asked.call
    limits.check(services.rates, asked.caller, checked.request)
    bind_contextvars(job_id=str(seat.job_id))
    return services.intake.submit(
        Submission(
            job_id=seat.job_id,
            request=checked.request,
            model=checked.model,
            key_id=asked.caller.key_id,
            request_id=asked.request_id,
            door=asked.preferred.door,
            lane=Lane.ASYNC if asked.preferred.door is Door.ASYNC else Lane.INTERACTIVE,
            metadata=checked.metadata,
            webhook_url=checked.webhook_url,
            priority=checked.priority,
            fingerprint=call.fingerprint,
            retry_count=call.retry_count or 0,
            idempotency_key=call.name,
            received=asked.received,
        )
    )


def _answer(
    services: Services, room: WaitingRoom, asked: Asked, *, seat: Seat, outcome: Result | Parting
) -> Response:
    applied = asked.preferred.applied
    if isinstance(outcome, Result):
        _follow_delivery(room, seat, outcome, asked.checked)
        response = answers.of_job(services, seat.job_id, outcome, asked.checked)
    elif applied and outcome is not Parting.HUNG_UP:
        response = _accepted(services, asked, seat.job_id)
    else:
        room.leave(seat)
        response = _send_away(seat, outcome)
    if applied:
        response.headers["Preference-Applied"] = applied
    return response


def _follow_delivery(room: WaitingRoom, seat: Seat, result: Result, checked: Checked) -> None:
    """Whatever the answer is: an error that tells how the job ended is one, too."""
    given = result.images if checked.request.response_format is ResponseFormat.B64_JSON else []

    def delivered() -> None:
        room.receipts.deliver(seat.job_id)
        for image in given:
            room.receipts.fetch(image.name)

    @after_this_request
    def follow(response: Response) -> Response:
        return answers.delivering(response, delivered, lost=lambda: room.leave(seat))


def _accepted(services: Services, asked: Asked, job_id: UUID) -> Response:
    """Only for those who asked for it: an SDK reads 202 as success without pictures.

    Raises WaitTooLong while Postgres is away: there is a job all the same.
    """
    try:
        response = jsonify(jobs.one(services, asked.caller, str(job_id)))
    except UNAVAILABLE as error:
        raise WaitTooLong(job_id, retry=asked.call.comes_back) from error
    response.status_code = ACCEPTED
    response.headers["Location"] = f"/v1/images/jobs/{job_id}"
    response.headers["Retry-After"] = "1"
    response.headers["darkroom-job"] = str(job_id)
    return response


def _send_away(seat: Seat, parting: Parting) -> Response:
    """Raises WaitTooLong, unless nobody is there to be told."""
    match parting:
        case Parting.HUNG_UP:
            return Response(status=GONE)
        case Parting.CLOSING:
            raise Restarting(seat.job_id, retry=seat.call.comes_back)
        case Parting.TOO_LONG:
            raise WaitTooLong(seat.job_id, retry=seat.call.comes_back)
