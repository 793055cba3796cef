"""Answers polls of the BFL simulator: what each scripted outcome says, and the signed addresses of pictures."""

import secrets
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from flask import Response, jsonify, request

from sandbox.simulators import faults
from sandbox.simulators.bfl_errors import ApiError
from sandbox.simulators.bfl_tasks import CONTENT_MODERATED, REQUEST_MODERATED, Task

LIFETIME = 600
FOLDER = "/results"
POLL_LIMIT = 1200
NOT_FOUND, PENDING = "Task not found", "Pending"
# What the first polls of a task say, one after the other, before it goes on as any other does.
FIRST_POLLS: dict[str, tuple[str, ...]] = {
    "pending": (PENDING, PENDING),
    "interim": ("Reasoning", "Generating"),
    "not_found_at_first": (NOT_FOUND, NOT_FOUND, NOT_FOUND),
    "poll_forbidden": ("forbidden", "forbidden"),
    "poll_unavailable": ("unavailable", "unavailable"),
    "poll_throttled": ("throttled",),
    "poll_drop": (faults.DROP, faults.DROP),
}
LOST, SAMPLE_EXPIRED, SAMPLE_FORBIDDEN = "lost", "sample_expired", "sample_forbidden"
# Polled at a host of its own, and unknown to the one that it was submitted to.
REGIONAL, REGION = "regional", "eu4"
ENDS: dict[str, tuple[str, dict[str, Any], int]] = {
    REQUEST_MODERATED: ("Request Moderated", {"Moderation Reasons": ["Derivative Works Filter"]}, 200),
    CONTENT_MODERATED: ("Content Moderated", {"Moderation Reasons": ["Sexual Content", "NSFW"]}, 200),
    "error": ("Error", {"error": "Task failed"}, 200),
    "error_422": ("Error", {"error": "Task failed"}, 422),
    "error_503": ("Error", {"error": "Task failed"}, 503),
}
TROUBLES = {
    "forbidden": ApiError(403, "Not authenticated"),
    "unavailable": ApiError(503, "Service Unavailable"),
    "throttled": ApiError(429, "Rate limit exceeded", {"Retry-After": "3"}),
}
OUTCOMES = (*FIRST_POLLS, *ENDS, LOST, REGIONAL, SAMPLE_EXPIRED, SAMPLE_FORBIDDEN)


def polling_url(task: Task) -> str:
    host = f"{REGION}.{request.host}" if task.outcome == REGIONAL else request.host
    return f"{request.scheme}://{host}/v1/get_result?id={task.id}"


def answer_poll(task: Task, now: float) -> Response:
    first = FIRST_POLLS.get(task.outcome, ())
    task.polls += 1
    if task.polls <= len(first):
        return _trouble(task, first[task.polls - 1], now)
    if task.outcome == LOST or (task.outcome == REGIONAL and not request.host.startswith(f"{REGION}.")):
        return not_found(task.id)
    if now < task.ready_at:
        return _answer(task, PENDING, progress=_progress(task, now))
    return answer_ended(task, now)


def answer_ended(task: Task, now: float) -> Response:
    """What there is to say of a task whose time is over, to whoever polls or is called back."""
    status, details, code = ENDS.get(task.outcome, ("Ready", None, 200))
    result = _result(task, now) if status == "Ready" else None
    settled = {"cost": task.cost} if result and task.model.era == 1 else {}
    answer = _answer(task, status, result=result, details=details, **settled)
    answer.status_code = code
    return answer


def not_found(task_id: str) -> Response:
    facts = {"result": None, "progress": None, "details": None, "preview": None}
    answer = jsonify({"id": task_id, "status": NOT_FOUND, **facts})
    answer.status_code = 404
    return answer


def add_poll_headers(answer: Response, now: float) -> None:
    answer.headers.setdefault("Retry-After", "1")
    answer.headers["X-Ratelimit-Limit"] = str(POLL_LIMIT)
    answer.headers["X-Ratelimit-Remaining"] = str(POLL_LIMIT - 1)
    answer.headers["X-Ratelimit-Reset"] = str(now + 60)


def is_signed(task: Task, now: float) -> bool:
    """Whether the current request's address is one that was given out, and still alive."""
    signature = request.args.get("sig", "")
    if task.outcome == SAMPLE_FORBIDDEN:
        return False
    if task.outcome == SAMPLE_EXPIRED and signature == next(iter(task.signed_until), None):
        return False
    until = task.signed_until.get(signature, 0.0)
    return now < until and request.args.get("se") == _until(until)


def _trouble(task: Task, what: str, now: float) -> Response:
    if what == faults.DROP:
        return faults.drop(request.environ)
    if what == NOT_FOUND:
        return not_found(task.id)
    if what in TROUBLES:
        return TROUBLES[what].response()
    return _answer(task, what, progress=_progress(task, now))


def _answer(task: Task, status: str, **facts: Any) -> Response:
    nothing = {"result": None, "progress": None, "details": None, "preview": None}
    return jsonify({"id": task.id, "status": status, **nothing, **facts})


def _progress(task: Task, now: float) -> float | None:
    return task.progress(now) if task.model.era == 1 else None


def _result(task: Task, now: float) -> dict[str, Any]:
    made = {"prompt": task.asked.prompt, "seed": task.seed, "start_time": task.started, "sample": _sign(task, now)}
    if task.model.era == 1:
        made |= {"end_time": task.ready_at, "duration": task.ready_at - task.started}
    return made


def _sign(task: Task, now: float) -> str:
    """An address that lives for ten minutes from Ready on; a poll after that signs another one."""
    begins = task.ready_at if now < task.ready_at + LIFETIME else now
    signature = secrets.token_urlsafe(32)
    task.signed_until[signature] = begins + LIFETIME
    facts = {"se": _until(begins + LIFETIME), "sp": "r", "sv": "2024-11-04", "sr": "b"}
    query = urlencode({**facts, "rsct": f"image/{task.format}", "sig": signature})
    return f"{request.host_url.rstrip('/')}{FOLDER}/{task.id}/sample.{task.format}?{query}"


def _until(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
