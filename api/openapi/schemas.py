"""The schemas of the document: made of the types that requests are read with and answers are written with."""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core.core_schema import WithDefaultSchema

from api.batches.schemas import BatchBody, BatchList, BatchObject, ResultList
from api.dry_run import DryRun
from api.envelopes import ErrorResponse
from api.file_schemas import FileDeleted, FileList, FileObject
from api.health import Liveness, Readiness
from api.job_schemas import ImageJob, JobList
from api.ops_schemas import OpsStats
from api.schemas import ImageGenerationBody, ImagesResponse, ModelList, ModelResponse
from api.usage_schemas import UsageList
from api.webhook_schemas import (
    DeliveryList,
    WebhookBody,
    WebhookChange,
    WebhookDeleted,
    WebhookDelivery,
    WebhookList,
    WebhookObject,
    WebhookRotation,
    WebhookSecret,
)
from api.wording import AUTO, ENUMS
from core.catalog import Catalog
from core.offers import SIZE

REF = "#/components/schemas/{model}"
TYPES: dict[type, JsonSchemaMode] = {
    **dict.fromkeys((ImageGenerationBody, BatchBody, WebhookBody, WebhookChange, WebhookRotation), "validation"),
    **dict.fromkeys(
        (
            ImagesResponse,
            ImageJob,
            JobList,
            DryRun,
            ModelResponse,
            ModelList,
            UsageList,
            OpsStats,
            FileObject,
            FileList,
            FileDeleted,
            BatchObject,
            BatchList,
            ResultList,
            WebhookObject,
            WebhookList,
            WebhookDeleted,
            WebhookSecret,
            WebhookDelivery,
            DeliveryList,
            ErrorResponse,
            Liveness,
            Readiness,
        ),
        "serialization",
    ),
}


class Generator(GenerateJsonSchema):
    """Without titles that repeat a field's name, and without defaults that are null."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - the method of the library
        return False

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        shown = super().default_schema(schema)
        if shown.get("default", "") is None:
            del shown["default"]
        return shown


def components(catalog: Catalog) -> dict[str, Any]:
    """All schemas by name; those of a request also hold what `catalog` lets callers choose from."""
    adapters = [(kind.__name__, mode, TypeAdapter[Any](kind)) for kind, mode in TYPES.items()]
    _, found = TypeAdapter.json_schemas(
        adapters, ref_template=REF, union_format="primitive_type_array", schema_generator=Generator
    )
    schemas: dict[str, Any] = found["$defs"]
    body = schemas[ImageGenerationBody.__name__]["properties"]
    for name, words in _choices(catalog).items():
        body[name]["enum"] = [*words, None]
    body["size"]["pattern"] = f"^({SIZE.pattern}|{AUTO})$"
    body["size"]["examples"] = list(dict.fromkeys(str(size) for model in catalog.models for size in model.sizes))
    body["model"]["examples"] = [model.id for model in catalog.models]
    return schemas


def _choices(catalog: Catalog) -> Mapping[str, list[Any]]:
    """What each parameter may be, over all models: which of them takes what is told in words."""
    qualities = [*ENUMS["quality"], *(quality for model in catalog.models for quality in model.qualities), AUTO]
    styles = [*ENUMS["style"], *(style for model in catalog.models for style in model.styles)]
    own: dict[str, list[Any]] = {
        "quality": list(dict.fromkeys(qualities)),
        "style": list(dict.fromkeys(styles)),
        "stream": [False],
    }
    return {name: list(words) for name, words in ENUMS.items()} | own


def ref(kind: type) -> dict[str, str]:
    return {"$ref": REF.format(model=kind.__name__)}
