"""HTTP to providers, once for all: connection reuse, time-outs, size limits, the meaning of transport faults."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, NewConnectionError

from workers.providers.errors import OutcomeUnknown, Unavailable

CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds for the connection, between two bytes, and for the whole call; bytes of an answer."""

    connect: float = 5.0
    read: float = 150.0
    whole: float = 180.0
    answer_bytes: int = 128 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer, whatever its status."""

    status: int
    headers: "requests.structures.CaseInsensitiveDict[str]"
    body: bytes


class Client:
    """Requests to one provider. Thread-safe; keeps up to `connections` open for the next call."""

    def __init__(self, base_url: str, headers: dict[str, str], *, connections: int, limits: Limits) -> None:
        self._base_url = base_url
        self._limits = limits
        self._session = requests.Session()
        self._session.trust_env = False  # a .netrc or proxy variable must not change who gets our key
        self._session.headers.update(headers)
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=connections, max_retries=0)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def post(self, path: str, body: dict[str, Any]) -> Answer:
        """Send JSON once. Raises Unavailable when nothing was sent, OutcomeUnknown when no whole answer came."""
        deadline = time.monotonic() + self._limits.whole
        with _faults():
            response = self._session.post(
                self._base_url + path,
                json=body,
                stream=True,
                allow_redirects=False,
                timeout=(self._limits.connect, self._limits.read),
            )
            with response:
                return Answer(response.status_code, response.headers, self._read(response, deadline))

    def _read(self, response: requests.Response, deadline: float) -> bytes:
        body = bytearray()
        for chunk in response.iter_content(CHUNK_BYTES):
            body += chunk
            if len(body) > self._limits.answer_bytes:
                raise OutcomeUnknown("the answer is larger than a picture can be")
            if time.monotonic() > deadline:
                raise OutcomeUnknown("the answer took longer than a call may")
        return bytes(body)


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except (requests.RequestException, HTTPError) as error:
        if _unsent(error):
            raise Unavailable(f"no connection: {type(error).__name__}") from error
        raise OutcomeUnknown(f"no answer: {type(error).__name__}") from error


def _unsent(error: Exception) -> bool:
    """Whether the connection failed before a byte of the request could leave."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(reason, NewConnectionError)
