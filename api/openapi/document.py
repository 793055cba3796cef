"""The whole document: OpenAPI 3.1, of the types and tables that the code answers with.

No library builds it: it is plain data, filled by the schemas of the types, and a validator proves it in the tests.
"""

from importlib.metadata import version
from typing import Any

from api.openapi import (
    batches,
    deliveries,
    files,
    headers,
    images,
    jobs,
    machines,
    samples,
    schemas,
    service,
    webhooks,
)
from api.openapi.operations import Operation
from core.catalog import Catalog

INTRODUCTION = """\
Pictures by several providers behind OpenAI's Images API. Any OpenAI SDK works: give it this service as its \
`base_url`.

Every call under `/v1` carries an API key: `Authorization: Bearer KEY`. Every answer has an `x-request-id`. An \
error is always OpenAI's envelope, `{"error": {"message", "type", "param", "code"}}`, and says in \
`x-should-retry` whether the same call makes sense again; the official SDKs obey it.

Parameters and headers that are not OpenAI's are named as such; who does not use them will not notice them.
"""
TAGS = {
    "Images": "Ask for pictures, and fetch them.",
    "Jobs": "Every accepted request is a job: to be found, followed and cancelled, also by those who lost it.",
    "Webhooks": "Be told how jobs and batches end.",
    "Files": "What a batch is made of, and what came of one.",
    "Batches": "Tens of thousands of requests in one file, made when there is room.",
    "Models": "Which AI models can be asked for pictures.",
    "Usage": "What was used, and what may still be spent.",
    "Operations": "For operators' own programs: the figures of the whole house.",
    "Service": "Whether the service is well, and what it offers.",
}
BEARER = {"type": "http", "scheme": "bearer", "description": "An API key of this service."}


def build(catalog: Catalog, public_url: str) -> dict[str, Any]:
    """Of the models that are on offer, for the address by which callers know the service."""
    paths: dict[str, Any] = {}
    rooms = (jobs, files, batches, webhooks, deliveries, machines, service)
    own = (operation for room in rooms for operation in room.operations())
    for operation in (*images.operations(catalog), *own):
        paths.setdefault(operation.path, {})[operation.method] = _written(operation, public_url)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Darkroom",
            "summary": "Pictures by several providers behind OpenAI's Images API.",
            "description": INTRODUCTION,
            "version": version("darkroom"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": public_url}],
        "tags": [{"name": name, "description": description} for name, description in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": schemas.components(catalog),
            "headers": headers.components(),
            "securitySchemes": {"bearer": BEARER},
        },
    }


def _written(operation: Operation, public_url: str) -> dict[str, Any]:
    shown = samples.of(operation.id, public_url)
    return {**operation.to_json(), **({"x-codeSamples": shown} if shown else {})}
