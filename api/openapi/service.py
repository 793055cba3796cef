"""Everything else in the document: models, usage, health, and the document itself."""

from http import HTTPStatus
from typing import Any

from api import usage
from api.errors import BUG
from api.health import Liveness, Readiness
from api.openapi import headers, refusals
from api.openapi.operations import COMMON, JSON, Operation, answer, parameter, written
from api.schemas import ModelList, ModelResponse
from api.usage_schemas import UsageList
from core.errors import ModelMissing

DAY = {"type": "string", "format": "date"}
MODELS, USAGE, SERVICE = "Models", "Usage", "Service"
SPAN = (
    parameter("query", "start", f"The first day, UTC; usually {usage.USUAL_DAYS} days before the end.", DAY),
    parameter("query", "end", f"The last day, UTC; usually today. At most {usage.MOST_DAYS} days.", DAY),
    parameter("query", "model", "Only this model.", {"type": "string"}),
)
FRESH = parameter("header", "If-None-Match", "The `ETag` of what is there already.", {"type": "string"})
# path -> (operation id, what it is, its media type)
PAGES = {
    "/openapi.json": ("getOpenApi", "This document", JSON),
    "/docs": ("getDocs", "This document, for people", "text/html"),
    "/docs/docs.css": ("getDocsStyle", "The style of that page", "text/css"),
}


def operations() -> list[Operation]:
    return [
        _list(),
        _retrieve(),
        _usage(),
        _live(),
        _ready(),
        *(_page(path, *told) for path, told in PAGES.items()),
    ]


def _list() -> Operation:
    return Operation(
        method="get",
        path="/v1/models",
        id="listModels",
        tag=MODELS,
        summary="List models",
        description="Those that the API key may use, and whose provider can be called.",
        answers={200: answer("The models.", ModelList)},
        errors=COMMON,
    )


def _retrieve() -> Operation:
    return Operation(
        method="get",
        path="/v1/models/{model_id}",
        id="retrieveModel",
        tag=MODELS,
        summary="Look at a model",
        parameters=[parameter("path", "model_id", "The id of a model.", {"type": "string"}, example="dall-e-3")],
        answers={200: answer("The model.", ModelResponse)},
        errors=[*refusals.of(ModelMissing), *COMMON],
    )


def _usage() -> Operation:
    return Operation(
        method="get",
        path="/v1/usage",
        id="retrieveUsage",
        tag=USAGE,
        summary="See what was used",
        description="What the API key has used, by day and model, and what it may still spend. Days are UTC.",
        parameters=SPAN,
        answers={200: answer("The usage.", UsageList)},
        errors=[*refusals.by(usage.read, {"colour": "red"}, {"start": "yesterday"}), *COMMON],
    )


def _live() -> Operation:
    return Operation(
        method="get",
        path="/health/live",
        id="getLiveness",
        tag=SERVICE,
        summary="Ask whether the process answers",
        answers={200: answer("It does.", Liveness, named=())},
        errors=[BUG],
        needs_key=False,
    )


def _ready() -> Operation:
    return Operation(
        method="get",
        path="/health/ready",
        id="getReadiness",
        tag=SERVICE,
        summary="Ask whether requests can be taken",
        description="Without Redis or the store they can: they end once both are back.",
        answers={
            HTTPStatus.OK.value: answer("They can.", Readiness, named=()),
            HTTPStatus.SERVICE_UNAVAILABLE.value: answer(
                "They cannot: the database does not answer, or the process is about to end.", Readiness, named=()
            ),
        },
        errors=[BUG],
        needs_key=False,
    )


def _page(path: str, name: str, told: str, media: str) -> Operation:
    schema: dict[str, Any] = {"type": "object" if media == JSON else "string"}
    return Operation(
        method="get",
        path=path,
        id=name,
        tag=SERVICE,
        summary=told,
        parameters=[FRESH],
        answers={
            200: written(f"{told}.", {media: {"schema": schema}}, named=headers.CACHED),
            304: written("It has not changed.", {}, named=headers.CACHED),
        },
        errors=[BUG],
        needs_key=False,
    )
