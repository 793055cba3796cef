"""The headers that answers have, by name, and which of them go with which answer."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from api.errors import Answer

TEXT = {"type": "string"}
NUMBER = {"type": "integer", "minimum": 0}
SWITCH = {"type": "string", "enum": ["true", "false"]}

# name -> (what it says, what it looks like)
HEADERS: dict[str, tuple[str, dict[str, Any]]] = {
    "x-request-id": (
        "The name of this call, in our logs as well. On every answer.",
        {**TEXT, "pattern": "^req_[0-9a-f]{32}$"},
    ),
    "openai-version": ("As OpenAI's, under `/v1`, and like there not with 401.", TEXT),
    "openai-processing-ms": ("Milliseconds from the request to this answer; where `openai-version` is.", NUMBER),
    "x-should-retry": ("Whether the same call, sent again, makes sense. The SDKs obey it.", SWITCH),
    "retry-after": ("Seconds to wait before the same call is sent again, at most 60.", NUMBER),
    "retry-after-ms": ("The same in milliseconds.", NUMBER),
    "x-ratelimit-limit-requests": ("Requests that the API key may send in a minute.", NUMBER),
    "x-ratelimit-remaining-requests": ("Those that are left.", NUMBER),
    "x-ratelimit-reset-requests": ("How long until there are more of them again: `1s`, `1m0s`.", TEXT),
    "x-ratelimit-limit-images": ("Pictures that the API key may ask for in a minute.", NUMBER),
    "x-ratelimit-remaining-images": ("Those that are left.", NUMBER),
    "x-ratelimit-reset-images": ("How long until there are more of them again.", TEXT),
    "darkroom-job": ("The id of the job; `GET /v1/images/jobs/{job_id}` shows it.", {**TEXT, "format": "uuid"}),
    "darkroom-model": ("The model that was asked for, or the default.", TEXT),
    "darkroom-provider": ("Who made the pictures; another than usual where a stand-in had to.", TEXT),
    "darkroom-cost-usd": ("What the pictures came to, as an exact decimal.", TEXT),
    "darkroom-dropped-parameters": ("What was asked for and not kept to, separated by commas.", TEXT),
    "Location": ("Where the job is.", TEXT),
    "Preference-Applied": ("Which preferences of `Prefer` were heeded.", TEXT),
    "WWW-Authenticate": ("`Bearer`.", TEXT),
    "ETag": ("Changes when the content does; send it as `If-None-Match`.", TEXT),
    "Cache-Control": ("For how long the answer may be kept.", TEXT),
    "Accept-Ranges": ("`bytes`.", TEXT),
    "Content-Range": ("Which bytes these are, and of how many.", TEXT),
    "Content-Disposition": ("`inline`.", TEXT),
}
ALWAYS = ("x-request-id",)
OPENAIS = ("openai-version", "openai-processing-ms")
RATES = tuple(name for name in HEADERS if name.startswith("x-ratelimit-"))
MADE = ("darkroom-job", "darkroom-model", "darkroom-provider", "darkroom-cost-usd", "darkroom-dropped-parameters")
CACHED = ("ETag", "Cache-Control")
PICTURE = (*CACHED, "Accept-Ranges", "Content-Disposition")


def components() -> dict[str, Any]:
    return {
        name: {"description": description, "required": name in ALWAYS, "schema": schema}
        for name, (description, schema) in HEADERS.items()
    }


def refs(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in dict.fromkeys((*ALWAYS, *names))}


def of_errors(status: HTTPStatus, answers: Sequence[Answer], *, makes_jobs: bool) -> dict[str, Any]:
    """What goes with the errors of one status; where a job may have been made, also its name."""
    names = ["x-should-retry"]
    if any(answer.retry for answer in answers):
        names += ["retry-after", "retry-after-ms"]
    if status is HTTPStatus.UNAUTHORIZED:
        names.append("WWW-Authenticate")
    if makes_jobs:
        names += ["darkroom-job", "Location", *RATES]
    return refs(*names)
