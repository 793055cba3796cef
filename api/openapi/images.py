"""Pictures in the document: how they are asked for, and where they are."""

from typing import Any

from werkzeug.exceptions import NotFound, RequestedRangeNotSatisfiable, RequestEntityTooLarge

from api.calls import LONGEST_NAME
from api.dry_run import WORDS, DryRun
from api.errors import CANCELLED, FOUND_AGAIN, RESTARTING, STILL_RUNNING, Answer, Unsure
from api.job_schemas import ImageJob
from api.openapi import headers, refusals
from api.openapi.operations import COMMON, JSON, Operation, answer, parameter, written
from api.openapi.schemas import ref
from api.schemas import ImageGenerationBody, ImagesResponse
from core.catalog import Catalog, Model
from core.errors import (
    CapReached,
    IdempotencyMismatch,
    IntakeInDoubt,
    ModelForbidden,
    PictureExpired,
    PictureMissing,
    PicturesExpired,
    RateExceeded,
    TooManyInFlight,
)

TAG = "Images"
CREATE = """\
Makes pictures, waits for them, and answers with them, as OpenAI's service does.

The request is a job on record before anything else happens; it ends whether or not somebody still waits. A call \
that breaks off can be repeated without paying twice: the official SDKs do so by themselves, and any other \
client with an `Idempotency-Key`. With `Prefer: respond-async` the job itself is the answer, at once.

Null means the default wherever null is allowed. What a model does not take is refused by name. The models on \
offer:
"""
PREFER = """\
`respond-async`: the job is answered at once, with 202. `wait=20`: the pictures, if they are there within 20 \
seconds, else the job with 202. Without it nobody is answered 202."""
IDEMPOTENCY = f"""\
A name for this request, of 1 to {LONGEST_NAME} visible ASCII characters. For 24 hours the same name with the \
same body finds the same job, and gets the same answer."""
DRY = """\
`true`: nothing is made or paid for. The answer says how the request is understood, who would make the pictures, \
and at what price."""
PARAMETERS = (
    parameter(
        "query",
        "dry_run",
        DRY,
        {"type": "string", "enum": list(WORDS), "default": "false"},
        allowEmptyValue=False,
    ),
    parameter("header", "Idempotency-Key", IDEMPOTENCY, {"type": "string"}, example="order-17"),
    parameter("header", "Prefer", PREFER, {"type": "string"}, example="wait=20"),
)
NAME = parameter("path", "name", "The last part of a picture's `url`.", {"type": "string"})
FRESH = parameter(
    "header", "If-None-Match", "The `ETag` of the picture that is there already.", {"type": "string"}
)
RANGE = parameter(
    "header", "Range", "Which bytes of the picture, one range.", {"type": "string"}, example="bytes=0-1023"
)
PNG = {"image/png": {"schema": {"type": "string", "contentMediaType": "image/png"}}}
OF_THE_JOB = {"job_id": "$response.body#/id"}
LINKS = {
    "job": {"operationId": "retrieveImageJob", "parameters": OF_THE_JOB, "description": "The job, later."},
    "events": {"operationId": "followImageJob", "parameters": OF_THE_JOB, "description": "What becomes of it."},
    "cancel": {"operationId": "cancelImageJob", "parameters": OF_THE_JOB, "description": "Its end."},
}


def operations(catalog: Catalog) -> list[Operation]:
    return [_create(catalog), _picture("get"), _picture("head")]


def _create(catalog: Catalog) -> Operation:
    return Operation(
        method="post",
        path="/v1/images/generations",
        id="createImage",
        tag=TAG,
        summary="Make pictures",
        description="\n".join([CREATE, *map(_model, catalog.models)]),
        parameters=PARAMETERS,
        body={
            "required": True,
            "content": {JSON: {"schema": ref(ImageGenerationBody), "examples": _bodies(catalog)}},
        },
        answers={200: _made(), 202: _accepted()},
        errors=_errors(),
        makes_jobs=True,
    )


def _model(model: Model) -> str:
    """One line of the list of models: what callers may ask of it."""
    choices = {
        "sizes": model.sizes,
        "quality": model.qualities if len(model.qualities) > 1 else (),
        "style": model.styles,
        "also": model.extras,
        "taken and not passed on": model.dropped,
    }
    told = [f"{name} {', '.join(f'`{word}`' for word in words)}" for name, words in choices.items() if words]
    pictures = "one picture a request" if model.max_n == 1 else f"up to {model.max_n} pictures a request"
    free = ["or any other size within OpenAI's rules"] if model.free_sizes else []
    limits = [*free, pictures, f"prompts of up to {model.max_prompt} characters"]
    return f"- `{model.id}`: {'; '.join([*told, *limits])}."


def _bodies(catalog: Catalog) -> dict[str, Any]:
    """A request for each model that works as it stands."""
    return {
        model.id: {
            "value": {"model": model.id, "prompt": "A lighthouse at dusk", "size": str(model.default_size)}
            | ({"quality": model.qualities[-1]} if len(model.qualities) > 1 else {})
            | ({"seed": 7} if "seed" in model.extras else {})
        }
        for model in catalog.models
    }


def _made() -> dict[str, Any]:
    either = {JSON: {"schema": {"anyOf": [ref(ImagesResponse), ref(DryRun)]}}}
    told = "The pictures; with `dry_run=true`, what they would be and cost."
    return written(told, either, named=(*headers.OPENAIS, *headers.MADE, *headers.RATES, "Preference-Applied"))


def _accepted() -> dict[str, Any]:
    named = (*headers.OPENAIS, "darkroom-job", "Location", "retry-after", "Preference-Applied", *headers.RATES)
    return answer(
        "The job goes on; only for those who asked for it with `Prefer`.", ImageJob, named=named, links=LINKS
    )


def _errors() -> list[Answer]:
    refused = refusals.of(
        ModelForbidden,
        CapReached,
        PicturesExpired,
        IdempotencyMismatch,
        RateExceeded,
        TooManyInFlight,
        IntakeInDoubt,
        Unsure,
    )
    return [
        *refusals.of_bodies(),
        *refused,
        *refusals.of_protocol(RequestEntityTooLarge),
        *refusals.of_jobs(),
        *(CANCELLED, RESTARTING, FOUND_AGAIN, STILL_RUNNING),
        *COMMON,
    ]


def _picture(method: str) -> Operation:
    """HEAD answers as GET does, without the bytes."""
    whole = method == "get"
    content = PNG if whole else {}
    return Operation(
        method=method,
        path="/files/{name}",
        id="downloadImage" if whole else "checkImage",
        tag=TAG,
        summary="Fetch a picture" if whole else "Look whether a picture is there",
        description="Until its hour is over. The address is all that it takes: nobody can guess it.",
        parameters=[NAME, FRESH, RANGE],
        answers={
            200: written("The picture.", content, named=headers.PICTURE),
            206: written("The range that was asked for.", content, named=(*headers.PICTURE, "Content-Range")),
            304: written("The picture is the one that is there already.", {}, named=headers.CACHED),
        },
        errors=[
            *refusals.of(PictureExpired, PictureMissing),
            *refusals.of_protocol(NotFound),
            *refusals.of_protocol(RequestedRangeNotSatisfiable),
            *COMMON,
        ],
        needs_key=False,
    )
