"""/ops/pictures: a whole picture for operators, whose looking is not its caller's fetching."""

from flask import Response, request
from werkzeug.exceptions import NotFound

from api import pictures
from api.dashboard.visits import Visit
from core.errors import PictureExpired, PictureMissing


def show(visit: Visit, name: str) -> Response:
    if not visit.sees_prompts:
        raise NotFound("Pictures are not shown to viewers here.")
    try:
        return pictures.show(visit.services, None, request, name)
    except (PictureMissing, PictureExpired) as error:
        raise NotFound("There is no such picture any more.") from error
