"""What operators' own programs read, in the document: the figures of the whole house."""

from api.openapi import refusals
from api.openapi.operations import COMMON, Operation, answer, written
from api.ops_schemas import OpsStats
from core.errors import NotAdmin

TAG = "Operations"
ADMIN = "Takes an admin key: `darkroom keys create NAME --admin`."
TEXT = {"schema": {"type": "string"}}


def operations() -> list[Operation]:
    return [_stats(), _metrics()]


def _stats() -> Operation:
    return Operation(
        method="get",
        path="/v1/ops/stats",
        id="retrieveOpsStats",
        tag=TAG,
        summary="See how the house is",
        description=f"How it is now, and what came of its jobs in the last hour and day. {ADMIN}",
        answers={200: answer("The figures.", OpsStats)},
        errors=[*refusals.of(NotAdmin), *COMMON],
    )


def _metrics() -> Operation:
    return Operation(
        method="get",
        path="/metrics",
        id="getMetrics",
        tag=TAG,
        summary="Scrape the metrics",
        description=f"As Prometheus reads them, or as OpenMetrics for whoever prefers that. {ADMIN}",
        answers={
            200: written("All metrics.", {"text/plain": TEXT, "application/openmetrics-text": TEXT}, named=())
        },
        errors=[*refusals.of(NotAdmin), *COMMON],
    )
