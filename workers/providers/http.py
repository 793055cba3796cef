"""HTTP to providers, once for all: connection reuse, time-outs, size limits, the meaning of transport faults."""

import json
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from workers.providers.errors import Misconfigured, OutcomeUnknown, Unavailable

CHUNK_BYTES = 256 * 1024
LONGEST_PAUSE = 86_400.0  # seconds; far more than any job waits


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

    def json(self) -> Any:
        """Raises ValueError."""
        try:
            return json.loads(self.body)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait, from `Retry-After` in both its forms (RFC 9110) or OpenAI's `retry-after-ms`."""
        for header, read in (("retry-after-ms", _milliseconds), ("retry-after", float), ("retry-after", _until)):
            with suppress(KeyError, ValueError, OverflowError):
                seconds = read(self.headers[header])
                if math.isfinite(seconds):
                    return min(max(0.0, seconds), LONGEST_PAUSE)
        return None


def _milliseconds(text: str) -> float:
    return float(text) / 1000


def _until(http_date: str) -> float:
    moment = parsedate_to_datetime(http_date)
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()


def legible(text: object, *, most: int = 2000) -> str:
    """A provider's word as the ledger can keep it: Postgres takes no NUL, UTF-8 no lone surrogate."""
    return str(text)[:most].encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


@contextmanager
def _unsent() -> Iterator[None]:
    """Where a connection, its name look-up and TLS handshake included, fails, no request has left."""
    try:
        yield
    except (HTTPError, OSError) as error:
        raise Unavailable(f"no connection: {type(error).__name__}") from error


class PlainConnection(HTTPConnection):
    def connect(self) -> None:
        with _unsent():
            super().connect()


class SecureConnection(HTTPSConnection):
    def connect(self) -> None:
        with _unsent():
            super().connect()


class PlainPool(HTTPConnectionPool):
    ConnectionCls = PlainConnection


class SecurePool(HTTPSConnectionPool):
    ConnectionCls = SecureConnection


class Client:
    """Requests to one provider. Thread-safe; keeps up to `connections` open for the next call."""

    hosts: ClassVar = 1
    pools: ClassVar[Mapping[str, type[HTTPConnectionPool]]] = {"http": PlainPool, "https": SecurePool}

    def __init__(self, base_url: str, headers: dict[str, str], *, connections: int, limits: Limits) -> None:
        self._base_url = base_url
        self._limits = limits
        self._session = requests.Session()
        self._session.trust_env = False  # a .netrc or proxy variable must not change who gets our key
        self._session.headers.update(headers)
        adapter = HTTPAdapter(pool_connections=self.hosts, pool_maxsize=connections, max_retries=0)
        adapter.poolmanager.pool_classes_by_scheme = self.pools
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def post(self, path: str, body: dict[str, Any]) -> Answer:
        """Send JSON once.

        Raises Unavailable when nothing was sent, OutcomeUnknown when no whole answer came, Misconfigured for an
        address or a key that cannot be put into a request.
        """
        return self._send("POST", self._base_url + path, json=body)

    def post_form(self, path: str, fields: Mapping[str, str], *, accept: str) -> Answer:
        """Send multipart/form-data once. Raises as `post`."""
        parts = {name: (None, value) for name, value in fields.items()}
        return self._send("POST", self._base_url + path, files=parts, headers={"Accept": accept})

    def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> Answer:
        """Ask for something that costs nothing. Raises Unavailable when no whole answer came: ask again."""
        try:
            return self._send("GET", self._base_url + path, headers=headers)
        except OutcomeUnknown as error:
            raise Unavailable(str(error)) from error

    def _send(self, method: str, url: str, **content: Any) -> Answer:
        deadline = time.monotonic() + self._limits.whole
        with _faults():
            response = self._session.request(
                method,
                url,
                stream=True,
                allow_redirects=False,
                timeout=(self._limits.connect, self._limits.read),
                **content,
            )
            with response:
                return Answer(response.status_code, response.headers, self._read(response, deadline))

    def _read(self, response: requests.Response, deadline: float) -> bytes:
        body = bytearray()
        # read1: each chunk as it comes, where a full one might keep a trickle from ever being looked at.
        while chunk := response.raw.read1(CHUNK_BYTES, decode_content=True):
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
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader) as error:
        raise Misconfigured(f"no request can be made: {type(error).__name__}") from None  # it may hold the key
    except (requests.RequestException, HTTPError) as error:
        raise OutcomeUnknown(f"no answer: {type(error).__name__}") from error
