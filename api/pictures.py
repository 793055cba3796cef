"""GET /files/img-….png: a picture, streamed from the store until its hour is over."""

from datetime import timedelta

from flask import Request, Response

from core import images
from core.bootstrap import Services
from core.errors import PictureExpired, PictureMissing
from core.orm import Image


def show(services: Services, request: Request, name: str) -> Response:
    """Whole, or the one range that is asked for. Raises PictureMissing, PictureExpired, StoreUnavailable."""
    image, left = _find(services, name)
    response = Response(mimetype="image/png")
    response.set_etag(image.sha256)
    response.accept_ranges = "bytes"
    response.cache_control.private = True
    response.cache_control.immutable = True
    response.cache_control.max_age = int(left.total_seconds())
    response.headers["Content-Disposition"] = "inline"
    response.headers["X-Content-Type-Options"] = "nosniff"
    if request.if_none_match.contains(image.sha256):
        response.status_code = 304
        return response
    offset, length = _range(request, image, response)
    response.content_length = length
    if request.method == "GET" and length:
        response.response = services.storage.stream(image.object_key, offset=offset, length=length)
    return response


def _find(services: Services, name: str) -> tuple[Image, timedelta]:
    with services.database.transaction() as session:
        found = images.find(session, name)
    if found is None:
        raise PictureMissing
    image, left = found
    if left <= timedelta(0):
        raise PictureExpired
    return image, left


def _range(request: Request, image: Image, response: Response) -> tuple[int, int]:
    """Offset and length to send; sets 206 or 416 and `Content-Range`.

    Several ranges at once, or one that is conditional on an older picture, get the whole (RFC 9110, 14.2).
    """
    asked = request.range
    fresh = request.if_range.etag in (None, image.sha256) and request.if_range.date is None
    if asked is None or asked.units != "bytes" or len(asked.ranges) != 1 or not fresh:
        return 0, image.bytes
    span = asked.range_for_length(image.bytes)
    if span is None:
        response.status_code = 416
        response.headers["Content-Range"] = f"bytes */{image.bytes}"
        return 0, 0
    response.status_code = 206
    response.headers["Content-Range"] = f"bytes {span[0]}-{span[1] - 1}/{image.bytes}"
    return span[0], span[1] - span[0]
