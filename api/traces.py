"""What a request adds to the trace of its job, where traces are collected."""

import time
from uuid import UUID

from flask import Response, g, request

from core import tracing
from core.tracing import Answered


def notice(job_id: UUID, *, is_new: bool) -> None:
    """The request has made a job, or found one that was there before it."""
    g.traced = job_id, is_new


def finish(response: Response, *, seconds: float) -> None:
    """It took so long to answer; requests that came to no job leave no trace."""
    if not tracing.is_on() or "traced" not in g:
        return
    job_id, is_new = g.traced
    tracing.answered(
        Answered(
            job_id=job_id,
            is_new=is_new,
            route=f"{request.method} {request.path}",
            begun=time.time_ns() - int(seconds * 1e9),
            headers={name.lower(): value for name, value in request.headers},
            facts={
                "request_id": g.request_id,
                "http.request.method": request.method,
                "url.path": request.path,
                "http.response.status_code": response.status_code,
            },
        )
    )
