"""What a call that waited is answered: the pictures of its job, or why there are none."""

from base64 import b64encode
from collections.abc import Callable, Iterator
from functools import partial
from uuid import UUID

import structlog
from flask import Response, jsonify

from api import pictures
from api.errors import JobFailed
from api.schemas import images_response
from api.validation import Checked
from core.bootstrap import Services
from core.catalog import Model
from core.errors import Failure, FailureKind, PicturesExpired, StoreUnavailable
from core.generation import ResponseFormat
from core.results import Image, Result
from core.states import JobState

log = structlog.get_logger()

UNREADABLE = Failure(FailureKind.STORE, "The picture was made, but could not be read back from the store.")


def of_job(services: Services, job_id: UUID, result: Result, checked: Checked) -> Response:
    """The same bytes for the same job and request, however often. Raises JobFailed, PicturesExpired."""
    request, model = checked.request, checked.model
    if result.state is not JobState.COMPLETED:
        raise JobFailed(result.failure, job_id)
    if any(image.expired for image in result.images):
        raise PicturesExpired
    try:
        shown = images_response(result, partial(_show, services, request.response_format), model=model)
    except StoreUnavailable as error:  # the picture is made and paid for: a retry would buy another one
        log.error("picture.unreadable", error=str(error))  # noqa: TRY400 - it says enough
        raise JobFailed(UNREADABLE, job_id) from error
    response = jsonify(shown)
    response.headers["darkroom-job"] = str(job_id)
    response.headers.update(response_headers(checked, services.catalog.maker(model, result.provider)))
    if result.charged is not None:
        response.headers["darkroom-cost-usd"] = format(result.charged, "f")
    return response


def delivering(response: Response, delivered: Callable[[], None], lost: Callable[[], None]) -> Response:
    """The same answer, with one of them called: by whether its caller took it to its end."""
    whole = response.get_data()

    def body() -> Iterator[bytes]:
        try:
            yield whole
        except GeneratorExit:  # the server could not write it
            lost()
            raise
        delivered()

    response.content_length = len(whole)
    response.response = body()
    return response


def _show(services: Services, response_format: ResponseFormat, image: Image) -> dict[str, str]:
    if response_format is ResponseFormat.B64_JSON:
        return {"b64_json": b64encode(services.storage.read(image.object_key)).decode()}
    return {"url": pictures.address(services, image.name)}


def response_headers(checked: Checked, maker: Model) -> dict[str, str]:
    """Which model was asked for, who made the pictures, and what the caller asked for in vain."""
    lost = dict.fromkeys([*checked.dropped, *_lost(checked, maker)])
    dropped = {"darkroom-dropped-parameters": ", ".join(lost)} if lost else {}
    return {"darkroom-model": checked.model.id, "darkroom-provider": maker.provider, **dropped}


def _lost(checked: Checked, maker: Model) -> list[str]:
    """What the asked model would have kept to, and its stand-in cannot."""
    request, model = checked.request, checked.model
    lost = [name for name in request.extras if name not in maker.extras]
    if request.style != model.default_style and request.style not in maker.styles:
        lost.append("style")
    if request.quality != model.default_quality and request.quality not in maker.qualities:
        lost.append("quality")
    return lost
