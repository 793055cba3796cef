"""What the front end itself is asked, and how long it takes: counted by each process, told for all of them."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from flask import Response, g, request
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.multiprocess import MultiProcessCollector

from api.metrics.sharing import SHARED
from core.history import BUCKETS

# Anybody may send any word for a method, and each would be a series of its own.
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
# A call waits for four minutes, unless operators say otherwise.
SECONDS = [bound for bound in BUCKETS if bound <= 300]  # noqa: PLR2004 - five minutes
OVERHEAD = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

# When a series began is no figure of its own.
disable_created_metrics()  # type: ignore[no-untyped-call] # the library leaves it bare


class Traffic:
    """Notes down every answer. A stream counts until its first byte."""

    def __init__(self, registry: CollectorRegistry) -> None:
        mine: CollectorRegistry | None = registry
        if SHARED in os.environ:
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # likewise
            mine = None
        self._requests = Counter(
            "darkroom_http_requests",
            "Requests that were answered.",
            ("method", "route", "status"),
            registry=mine,
        )
        self._seconds = Histogram(
            "darkroom_http_request_seconds",
            "From a request to the head of its answer, what calls wait for their jobs included.",
            ("method", "route"),
            registry=mine,
            buckets=SECONDS,
        )
        self._overhead = Histogram(
            "darkroom_http_overhead_seconds",
            "The same of synchronous calls, without what they waited for their jobs.",
            registry=mine,
            buckets=OVERHEAD,
        )

    def note(self, response: Response) -> Response:
        seconds = time.perf_counter() - g.begun
        method = request.method if request.method in METHODS else "other"
        route = _template(request.url_rule.rule) if request.url_rule else "unmatched"
        self._requests.labels(method, route, str(response.status_code)).inc()
        self._seconds.labels(method, route).observe(seconds)
        if "waited" in g:
            self._overhead.observe(seconds - g.waited)
        return response


@contextmanager
def waiting() -> Iterator[None]:
    """What passes in here is the job's time, and not ours."""
    begun = time.perf_counter()
    try:
        yield
    finally:
        g.waited = time.perf_counter() - begun


@cache
def _template(rule: str) -> str:
    """Flask's rule as everybody else writes a path."""
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule)
