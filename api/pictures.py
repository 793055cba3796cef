"""GET /files/img-….png: a picture, streamed from the store until its hour is over."""

from collections.abc import Iterator
from datetime import timedelta

import structlog
from flask import Request, Response
from minio.error import S3Error
from werkzeug.datastructures import Range
from werkzeug.exceptions import RequestedRangeNotSatisfiable

from api.receipts import Receipts
from core import images
from core.bootstrap import Services
from core.errors import PictureExpired, PictureMissing, StoreUnavailable
from core.orm import Image

log = structlog.get_logger()


def address(services: Services, name: str) -> str:
    """Where callers find a picture."""
    return f"{services.settings.public_url}/files/{name}"


def show(services: Services, receipts: Receipts | None, request: Request, name: str) -> Response:
    """Whole, or the one range that is asked for; without `receipts` nobody has fetched it.

    Raises PictureMissing, PictureExpired, StoreUnavailable.
    """
    image, left = _find(services, name)
    response = Response(mimetype="image/png")
    response.set_etag(image.sha256)
    response.accept_ranges = "bytes"
    response.cache_control.private = True
    response.cache_control.immutable = True
    response.cache_control.max_age = int(left.total_seconds())
    response.headers["Content-Disposition"] = "inline"
    response.headers["X-Content-Type-Options"] = "nosniff"
    if request.if_none_match.contains_weak(image.sha256):
        response.status_code = 304
        return response
    offset, length = _range(request, image, response)
    response.content_length = length
    if request.method == "GET" and length:
        response.response = _stream(services, image, offset=offset, length=length)
        if receipts and image.fetched_at is None:
            receipts.fetch(name)
    return response


def _stream(services: Services, image: Image, *, offset: int, length: int) -> Iterator[bytes]:
    """An object that the store has lost will not come back: that is no picture, rather than come again later."""
    try:
        return services.storage.stream(image.object_key, offset=offset, length=length)
    except StoreUnavailable as error:
        if isinstance(error.__cause__, S3Error) and error.__cause__.code == "NoSuchKey":
            log.error("picture.lost", image=image.name, job_id=str(image.job_id))  # noqa: TRY400 - it says enough
            raise PictureMissing from error
        raise


def _find(services: Services, name: str) -> tuple[Image, timedelta]:
    if "\0" in name:  # no text to Postgres
        raise PictureMissing
    with services.database.single() as session:
        found = images.find(session, name)
    if found is None:
        raise PictureMissing
    image, left = found
    if left <= timedelta(0):
        raise PictureExpired
    return image, left


def _range(request: Request, image: Image, response: Response) -> tuple[int, int]:
    """Offset and length to send; sets 206 and `Content-Range`, or raises 416.

    Several ranges at once, or one that is conditional on an older picture, get the whole (RFC 9110, 14.2).
    """
    asked = request.range
    fresh = request.headers.get("If-Range") in {None, f'"{image.sha256}"'}
    if asked is None or asked.units != "bytes" or len(asked.ranges) != 1 or not fresh:
        return 0, image.bytes
    begin, end = asked.ranges[0]
    # Werkzeug would refuse a suffix longer than the picture, which by the RFC is the whole picture.
    span = Range("bytes", [(max(begin, -image.bytes), end)]).range_for_length(image.bytes)
    if span is None:
        raise RequestedRangeNotSatisfiable(image.bytes)
    response.status_code = 206
    response.headers["Content-Range"] = f"bytes {span[0]}-{span[1] - 1}/{image.bytes}"
    return span[0], span[1] - span[0]
