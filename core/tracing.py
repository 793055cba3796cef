"""One trace a job, where an operator collects traces; elsewhere nothing at all, and OpenTelemetry is not needed.

A trace has its job's id: whoever sends, retries or resumes the job adds to it without having been told of it.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

# What spans are told of: attributes by their names.
Facts = Mapping[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A request that made the job, or found one that was there before it (`is_new`), and what became of it.

    `begun` is in nanoseconds since 1970; `headers` may hold a `traceparent`: the caller's own trace.
    """

    job_id: UUID
    is_new: bool
    route: str
    begun: int
    headers: Mapping[str, str]
    facts: Facts


class Tracer(Protocol):
    """What core/collector.py is."""

    def answered(self, request: Answered) -> None: ...
    def sending(self, job_id: UUID, facts: Facts) -> dict[str, str]: ...
    def attempt(self, job_id: UUID, sent_by: str | None, facts: Facts) -> AbstractContextManager[None]: ...
    def call(self, facts: Facts) -> AbstractContextManager[None]: ...


_tracer: Tracer | None = None


def use(tracer: Tracer) -> None:
    """Tell it of all spans of this process from now on."""
    global _tracer  # noqa: PLW0603 - of a process, as its log is
    _tracer = tracer


def is_on() -> bool:
    return _tracer is not None


def answered(request: Answered) -> None:
    """A request has its answer. That which made the job is the root of its trace."""
    if _tracer:
        _tracer.answered(request)


def sending(job_id: UUID, **facts: Any) -> dict[str, str]:
    """A job's message is about to be sent; the headers by which whoever takes it goes on from there."""
    return _tracer.sending(job_id, facts) if _tracer else {}


@contextmanager
def attempt(job_id: UUID, *, sent_by: str | None, **facts: Any) -> Iterator[None]:
    """Spans an attempt at a job; `sent_by` is the `traceparent` of its message."""
    if _tracer is None:
        yield
        return
    with _tracer.attempt(job_id, sent_by, facts):
        yield


@contextmanager
def call(**facts: Any) -> Iterator[None]:
    """Spans a provider call of the attempt that it is part of. The provider is not told of it."""
    if _tracer is None:
        yield
        return
    with _tracer.call(facts):
        yield
