"""One trace a job, and log lines that say whose they are, through real processes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from sqlalchemy import select

from core.bootstrap import Services
from core.orm import Job
from tests import builders
from tests.receiver import Receiver
from tests.stack import ROOT, Stack, until

ALL = ("simulator", "api", "worker", "scheduler")
CALLERS_TRACE, CALLERS_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
# An attempt whose provider is away, and one that is well.
TWICE = ["send job", "send job", "attempt", "attempt", "provider call", "provider call"]
WITHOUT_THE_EXTRA = "import sys; sys.modules['opentelemetry'] = None; from darkroom import cli; cli(['api'])"


@pytest.fixture
def collector() -> Iterator[Receiver]:
    with Receiver() as collector:
        yield collector


@pytest.fixture
def stack(environment: dict[str, str], services: Services, tmp_path: Path, collector: Receiver) -> Iterator[Stack]:
    key, _ = builders.make_caller(services)
    builders.register(services)
    traced = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.port}",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    with Stack(tmp_path, {**environment, **traced}, key=key) as stack:
        stack.start(*ALL)
        yield stack


def spans(collector: Receiver) -> list[Span]:
    assert {got.path for got in collector.got} <= {"/v1/traces"}
    requests = [ExportTraceServiceRequest.FromString(got.body) for got in collector.got]
    return [
        span
        for request in requests
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def attributes(span: Span) -> dict[str, Any]:
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


def the_job(services: Services) -> UUID:
    with services.database.transaction() as session:
        return session.scalars(select(Job.id)).one()


def test_a_job_is_one_trace_through_api_celery_and_provider_call_and_again(
    stack: Stack, services: Services, collector: Receiver
) -> None:
    stack.control("POST", "/outcomes", outcomes=[{"outcome": "server_error"}])
    stack.generate(prompt="a very secret fox").result(timeout=60)
    until(lambda: len(spans(collector)) >= 7, "all spans have come", within=20)

    found, job_id = spans(collector), the_job(services)
    by_id = {span.span_id: span for span in found}
    [root] = [span for span in found if not span.parent_span_id]
    calls = [span for span in found if span.name == "provider call"]
    assert {span.trace_id for span in found} == {job_id.bytes}
    assert root.kind == Span.SPAN_KIND_SERVER
    assert sorted(span.name for span in found) == sorted([root.name, *TWICE])
    for call in calls:
        attempt = by_id[call.parent_span_id]
        sent = by_id[attempt.parent_span_id]
        assert (attempt.name, sent.name, sent.parent_span_id) == ("attempt", "send job", root.span_id)
        assert attributes(call)["darkroom.attempt"] == attributes(attempt)["darkroom.attempt"]
    assert {attributes(attempt)["darkroom.model"] for attempt in found if attempt.name == "attempt"} == {
        "dall-e-2"
    }
    assert not any(b"secret fox" in got.body for got in collector.got)


def test_a_callers_own_trace_has_the_request_and_a_link_to_its_job(
    stack: Stack, services: Services, collector: Receiver
) -> None:
    headers = {"traceparent": f"00-{CALLERS_TRACE}-{CALLERS_SPAN}-01"}
    stack.generate(extra_headers=headers).result(timeout=60)
    until(lambda: len(spans(collector)) >= 5, "all spans have come", within=20)

    [seen] = [span for span in spans(collector) if span.trace_id.hex() == CALLERS_TRACE]
    [root] = [span for span in spans(collector) if span.trace_id == the_job(services).bytes and span.links]
    assert (seen.kind, seen.parent_span_id.hex()) == (Span.SPAN_KIND_SERVER, CALLERS_SPAN)
    assert [link.span_id for link in seen.links] == [root.span_id]
    assert [link.span_id for link in root.links] == [seen.span_id]


def test_a_process_that_is_told_to_stop_sends_the_spans_that_it_has(stack: Stack, collector: Receiver) -> None:
    stack.generate().result(timeout=60)
    for part in ("api", "worker"):
        stack.stop(part)

    assert len(spans(collector)) == 4


def test_every_line_of_a_jobs_way_says_whose_it_is(stack: Stack, services: Services) -> None:
    stack.control("POST", "/outcomes", outcomes=[{"outcome": "server_error"}])
    stack.generate().result(timeout=60)
    until(lambda: len(stack.lines("worker", "job.attempt_ended")) == 2, "both attempts have ended")

    job_id = the_job(services)
    [answered] = [line for line in stack.lines("api", "http.answered") if line["method"] == "POST"]
    for event, attempts in {"job.claimed": [1, 2], "provider.failed": [1], "job.attempt_ended": [1, 2]}.items():
        told = stack.lines("worker", event)
        assert [line["attempt"] for line in told] == attempts
        for line in told:
            assert (line["job_id"], line["provider"]) == (str(job_id), "openai")
            assert line["request_id"] == answered["request_id"]
    assert answered["job_id"] == str(job_id)


def test_whatever_a_process_says_is_a_line_of_json(stack: Stack) -> None:
    stack.generate().result(timeout=60)
    requests.get(f"{stack.url}/\0", timeout=10)
    stack.start("clerk")
    parts = ("api", "worker", "scheduler", "clerk")
    stack.stop(*parts)

    for part in parts:
        told = [line for line in stack.log(part).splitlines() if line]
        assert told
        # Celery's last words are written past all loggers.
        assert [line for line in told if not is_json(line) and "shutdown (MainProcess)" not in line] == []


def is_json(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def test_a_collector_without_the_extra_keeps_a_process_from_starting(environment: dict[str, str]) -> None:
    traced = {**os.environ, **environment, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
    command = [sys.executable, "-c", WITHOUT_THE_EXTRA]

    ended = subprocess.run(command, cwd=ROOT, env=traced, capture_output=True, text=True, check=False)

    assert ended.returncode == 1
    assert "pip install 'darkroom[tracing]'" in ended.stderr


def test_without_a_collector_no_process_has_what_speaks_to_one(environment: dict[str, str]) -> None:
    look = (
        "import os, sys; from core import settings; from core.bootstrap import assemble; "
        "import api.app, workers.app; assemble(settings.read(os.environ)); "
        "sys.exit('core.collector' in sys.modules)"
    )

    ended = subprocess.run([sys.executable, "-c", look], cwd=ROOT, env={**os.environ, **environment}, check=False)

    assert ended.returncode == 0
