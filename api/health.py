"""GET /health/ready: whether this process can take requests, and how the parts it leans on do."""

import time
from collections.abc import Callable
from threading import Thread
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import SkipJsonSchema
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from core.bootstrap import Services
from core.errors import StoreUnavailable

# A load balancer waits about five seconds for a health check.
PROBE_SECONDS = 3.0
FAULTS = (SQLAlchemyError, RedisError, StoreUnavailable)


class Liveness(BaseModel):
    """That the process answers at all."""

    status: Literal["ok"] = "ok"


class Dependency(BaseModel):
    """How one part answered, and how fast, or what went wrong."""

    status: Literal["ok", "unavailable"]
    milliseconds: float | SkipJsonSchema[None] = None
    error: str | SkipJsonSchema[None] = None


class Readiness(BaseModel):
    """`degraded`: requests are accepted, and end once every part is back. `stopping`: send new ones elsewhere."""

    status: Literal["ok", "degraded", "unavailable", "stopping"]
    dependencies: dict[str, Dependency]


def live() -> dict[str, Any]:
    return Liveness().model_dump()


def ready(services: Services, *, closes_soon: bool) -> tuple[dict[str, Any], int]:
    """200 while requests can be recorded, hence while Postgres answers; 503 otherwise, or where it closes soon.

    Without Redis or the store a request is still accepted and ends once they are back: `degraded`.
    """
    checks = {
        "postgres": lambda: _select_one(services),
        "redis": services.notifier.ping,
        "store": services.storage.ping,
    }
    parts = _probe_all(checks)
    readiness = Readiness(status="stopping" if closes_soon else _whole(parts), dependencies=parts)
    able = readiness.status in {"ok", "degraded"}
    return readiness.model_dump(exclude_unset=True), 200 if able else 503


def _whole(parts: dict[str, Dependency]) -> Literal["ok", "degraded", "unavailable"]:
    if parts["postgres"].status != "ok":
        return "unavailable"
    return "ok" if all(part.status == "ok" for part in parts.values()) else "degraded"


def _probe_all(checks: dict[str, Callable[[], None]]) -> dict[str, Dependency]:
    """Each part's state, all asked at once: a mute one must not hold up the answer."""
    parts = {name: Dependency(status="unavailable", error="TimeoutError") for name in checks}

    def probe(name: str) -> None:
        parts[name] = _probe(checks[name])

    probes = [Thread(target=probe, args=(name,), name=f"probe-{name}", daemon=True) for name in checks]
    for thread in probes:
        thread.start()
    deadline = time.monotonic() + PROBE_SECONDS
    for thread in probes:
        thread.join(max(0.0, deadline - time.monotonic()))
    return dict(parts)


def _select_one(services: Services) -> None:
    with services.database.single() as session:
        session.execute(text("SELECT 1"))


def _probe(check: Callable[[], None]) -> Dependency:
    begun = time.perf_counter()
    try:
        check()
    except FAULTS as error:
        return Dependency(status="unavailable", error=type(error).__name__)
    return Dependency(status="ok", milliseconds=round((time.perf_counter() - begun) * 1000, 1))
