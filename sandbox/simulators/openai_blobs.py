"""Serves the OpenAI simulator's picture URLs: unguessable, and dead an hour after they were made."""

import secrets
import string
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from flask import Response, request

from sandbox.simulators.control import Control
from sandbox.simulators.pictures import Picture

LIFETIME = 3600
FOLDER = "/private/org-darkroom/user-sandbox"
ALPHABET = string.ascii_letters + string.digits
EXPIRED = (
    '<?xml version="1.0" encoding="utf-8"?><Error><Code>AuthenticationFailed</Code>'
    "<Message>Server failed to authenticate the request.</Message>"
    "<AuthenticationErrorDetail>Signature not valid in the specified time frame</AuthenticationErrorDetail>"
    "</Error>"
)


@dataclass(frozen=True)
class Blob:
    """A picture as drawn anew for each download: a thousand of them weigh nothing."""

    picture: Picture
    truncated: bool
    signature: str
    expires_at: float


class Blobs:
    def __init__(self, control: Control) -> None:
        self._control = control
        self._blobs: dict[str, Blob] = {}

    def publish(self, picture: Picture, *, truncated: bool) -> str:
        """Return the URL, on the host that the current request came to."""
        now = self._control.clock.now()
        self._forget_expired(now)
        name = "img-" + "".join(secrets.choice(ALPHABET) for _ in range(24)) + ".png"
        blob = Blob(picture, truncated, secrets.token_urlsafe(32), now + LIFETIME)
        self._blobs[name] = blob
        window = {"st": _stamp(now - LIFETIME), "se": _stamp(blob.expires_at), "sp": "r", "sv": "2024-08-04"}
        query = urlencode({**window, "sr": "b", "rscd": "inline", "rsct": "image/png", "sig": blob.signature})
        return f"{request.host_url.rstrip('/')}{FOLDER}/{name}?{query}"

    def find(self, name: str, signature: str) -> Blob | None:
        blob = self._blobs.get(name)
        alive = blob and blob.expires_at > self._control.clock.now()
        return (
            blob
            if blob and alive and secrets.compare_digest(blob.signature.encode(), signature.encode())
            else None
        )

    def _forget_expired(self, now: float) -> None:
        while self._blobs:
            oldest = next(iter(self._blobs))
            if self._blobs[oldest].expires_at > now:
                return
            del self._blobs[oldest]


def expired() -> Response:
    """Answer as the blob store does for a URL that is unknown, forged or too old."""
    return Response(EXPIRED, 403, content_type="application/xml")


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
