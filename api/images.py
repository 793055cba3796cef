"""POST /v1/images/generations: check, record, wait, answer."""

from base64 import b64encode
from functools import partial
from typing import Any

import structlog
from structlog.contextvars import bind_contextvars

from api.errors import JobFailed, WaitTooLong
from api.schemas import images_response
from api.validation import Checked, parse
from api.waiting import WaitingRoom
from core import ledger
from core.bootstrap import Services
from core.catalog import Model
from core.errors import Failure, FailureKind, StoreUnavailable
from core.generation import ResponseFormat
from core.keys import Caller
from core.ledger import Submission
from core.results import Image
from core.states import JobState

log = structlog.get_logger()

UNREADABLE = Failure(FailureKind.STORE, "The picture was made, but could not be read back from the store.")


def generate(
    services: Services, room: WaitingRoom, *, caller: Caller, body: dict[str, Any], request_id: str
) -> tuple[dict[str, Any], dict[str, str]]:
    """Block until the job is settled; then the answer's body and headers.

    The job does not depend on this call: it ends whether or not somebody still waits. Raises InvalidRequest,
    JobFailed, WaitTooLong.
    """
    settings = services.settings
    checked = parse(body, services.catalog, settings.default_model)
    request, model = checked.request, checked.model
    job_id = ledger.new_job_id()
    bind_contextvars(job_id=str(job_id))
    with room.seat(job_id) as seat:
        services.intake.submit(
            Submission(job_id=job_id, request=request, model=model, key_id=caller.key_id, request_id=request_id)
        )
        result = seat.wait(settings.wait_seconds)
    if result is None:
        raise WaitTooLong(job_id, retry=False)
    if result.state is not JobState.COMPLETED:
        raise JobFailed(result.failure, job_id)

    try:
        shown = images_response(result, partial(_show, services, request.response_format), model=model)
    except StoreUnavailable as error:  # the picture is made and paid for: a retry would buy another one
        log.error("picture.unreadable", error=str(error))  # noqa: TRY400 - it says enough
        raise JobFailed(UNREADABLE, job_id) from error
    return shown, response_headers(checked, services.catalog.maker(model, result.provider))


def _show(services: Services, response_format: ResponseFormat, image: Image) -> dict[str, str]:
    if response_format is ResponseFormat.B64_JSON:
        return {"b64_json": b64encode(services.storage.read(image.object_key)).decode()}
    return {"url": f"{services.settings.public_url}/files/{image.name}"}


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
