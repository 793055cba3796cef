"""Sends spans to an OpenTelemetry collector; imported only where one is configured."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from core.tracing import Answered, Facts

_W3C = TraceContextTextMapPropagator()
# The job whose root is about to be made.
_rooted: ContextVar[UUID | None] = ContextVar("rooted", default=None)


class Collector:
    """What a process tells the collector. Its thread is a greenlet in the API, which is patched by then."""

    def __init__(self, endpoint: str) -> None:
        # Not by ratio: the SDK's sampler reads an id's first bits as chance, and those of a job's are always 10.
        provider = TracerProvider(
            sampler=ALWAYS_ON, id_generator=_Ids(), resource=Resource.create({SERVICE_NAME: "darkroom"})
        )
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{endpoint}/v1/traces")))
        self._tracer = provider.get_tracer("darkroom")

    def answered(self, request: Answered) -> None:
        """Where the caller has a trace the request is part of that, and the job's trace has a link to it."""
        caller = _W3C.extract(request.headers, context=Context())
        root = _root(request.job_id)
        if get_current_span(caller).get_span_context().trace_flags.sampled:
            seen = self._request(request, caller, SpanKind.SERVER, Link(root))
            self._of_job(request, SpanKind.INTERNAL, Link(seen))
        else:
            self._of_job(request, SpanKind.SERVER)

    def _of_job(self, request: Answered, kind: SpanKind, *links: Link) -> None:
        if not request.is_new:
            self._request(request, _within(_root(request.job_id)), kind, *links)
            return
        token = _rooted.set(request.job_id)
        try:
            self._request(request, Context(), kind, *links)
        finally:
            _rooted.reset(token)

    def _request(self, request: Answered, parent: Context, kind: SpanKind, *links: Link) -> SpanContext:
        facts = _named(request.job_id, request.facts)
        span = self._tracer.start_span(
            request.route, parent, kind, attributes=facts, links=links, start_time=request.begun
        )
        span.end()
        return span.get_span_context()

    def sending(self, job_id: UUID, facts: Facts) -> dict[str, str]:
        parent = _within(_root(job_id))
        span = self._tracer.start_span("send job", parent, SpanKind.PRODUCER, attributes=_named(job_id, facts))
        span.end()
        headers: dict[str, str] = {}
        _W3C.inject(headers, context=set_span_in_context(span, Context()))
        return headers

    @contextmanager
    def attempt(self, job_id: UUID, sent_by: str | None, facts: Facts) -> Iterator[None]:
        parent = _W3C.extract({"traceparent": sent_by} if sent_by else {}, context=_within(_root(job_id)))
        with self._tracer.start_as_current_span(
            "attempt", parent, SpanKind.CONSUMER, attributes=_named(job_id, facts), record_exception=False
        ):
            yield

    @contextmanager
    def call(self, facts: Facts) -> Iterator[None]:
        with self._tracer.start_as_current_span(
            "provider call", kind=SpanKind.CLIENT, attributes=_prefixed(facts), record_exception=False
        ):
            yield


class _Ids(RandomIdGenerator):
    """By chance, except for the root of a job's trace, which everybody can tell from the job's id."""

    def generate_trace_id(self) -> int:
        job_id = _rooted.get()
        return _root(job_id).trace_id if job_id else super().generate_trace_id()

    def generate_span_id(self) -> int:
        job_id = _rooted.get()
        return _root(job_id).span_id if job_id else super().generate_span_id()


def _root(job_id: UUID) -> SpanContext:
    """A UUID has as many bits as a trace's id; its random half is the id of the root."""
    return SpanContext(
        trace_id=job_id.int,
        span_id=job_id.int & (1 << 64) - 1,
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )


def _within(parent: SpanContext) -> Context:
    return set_span_in_context(NonRecordingSpan(parent), Context())


def _named(job_id: UUID, facts: Facts) -> dict[str, str | int]:
    return {"darkroom.job_id": str(job_id), **_prefixed(facts)}


def _prefixed(facts: Facts) -> dict[str, str | int]:
    """OpenTelemetry's own names have a dot in them."""
    return {name if "." in name else f"darkroom.{name}": value for name, value in facts.items()}
