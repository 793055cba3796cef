"""Connections to addresses that callers name: each leads to just the address that was looked up and checked.

Nothing of the environment has a say: no proxy, no .netrc. Redirects are answers like any other.
"""

import socket
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from threading import Timer

from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from core import hosts
from core.hosts import AllowedHost, Target
from workers.lookups import Lookups, Resolve, resolve
from workers.providers.http import Answer

CONNECT_SECONDS = 5.0
WHOLE_SECONDS = 15.0
# Whose name has more is not knocked at all doors of somebody else.
MOST_ADDRESSES = 4


class Unreachable(Exception):
    """No answer came. `args` holds the reason, which the owner of the address may read."""


class Targets:
    """Posts to whatever is public, and to the hosts that the operator allows. Thread-safe."""

    def __init__(
        self, allowed: Sequence[AllowedHost], *, resolve: Resolve = resolve, whole: float = WHOLE_SECONDS
    ) -> None:
        self._allowed = allowed
        self._lookups = Lookups(resolve)
        self._whole = whole
        self._context = ssl.create_default_context()
        self._context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send it once; of the answer, status and headers. Raises Unreachable."""
        deadline = time.monotonic() + self._whole
        late = f"no answer within {self._whole:g} s"
        try:
            target = hosts.parse(url)
            with closing(self._connect(target, deadline)) as raw, _cut_off(raw, deadline):
                answer = self._exchange(target, raw, body, headers)
        except (OSError, HTTPException, ValueError) as error:
            raise Unreachable(late if time.monotonic() >= deadline else _reason(error)) from error
        if time.monotonic() >= deadline:  # headers that were cut off look like headers that have ended
            raise Unreachable(late)
        return answer

    def _connect(self, target: Target, deadline: float) -> socket.socket:
        """Raises Unreachable, OSError."""
        exempt = hosts.is_allowed(target, self._allowed)
        if target.scheme != "https" and not exempt:
            raise Unreachable("not an https address")
        # A name may lead elsewhere the next time that it is looked up: this is the only time.
        found = self._lookups.find(target.host, target.port, deadline=deadline)
        usable = [address for address in found if exempt or hosts.is_public(address)]
        if not usable:
            raise Unreachable("the host has no public address")
        return _first_that_answers(usable[:MOST_ADDRESSES], target.port, deadline)

    def _exchange(self, target: Target, raw: socket.socket, body: bytes, headers: Mapping[str, str]) -> Answer:
        connection = HTTPConnection(target.host, target.port)
        if target.scheme == "https":
            connection = HTTPSConnection(target.host, target.port, context=self._context)
            raw = self._context.wrap_socket(raw, server_hostname=target.host)
        connection.auto_open = 0
        connection.sock = raw
        raw.settimeout(self._whole)
        with closing(connection):
            connection.request("POST", target.path, body, dict(headers))
            response = connection.getresponse()
            return Answer(response.status, CaseInsensitiveDict(response.getheaders()), b"")


def _first_that_answers(addresses: Sequence[str], port: int, deadline: float) -> socket.socket:
    for address in addresses[:-1]:
        with suppress(OSError):
            return _open(address, port, deadline)
    return _open(addresses[-1], port, deadline)


def _open(address: str, port: int, deadline: float) -> socket.socket:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return socket.create_connection((address, port), min(CONNECT_SECONDS, left))


@contextmanager
def _cut_off(raw: socket.socket, deadline: float) -> Iterator[None]:
    """End the connection at the deadline, however busy it looks: a trickle must not hold a place for ever."""
    line = raw.dup()  # TLS takes over the descriptor of the original

    def cut() -> None:
        with suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)

    timer = Timer(max(0.0, deadline - time.monotonic()), cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        line.close()


def _reason(error: Exception) -> str:
    """In words that tell nothing of our own network."""
    match error:
        case socket.gaierror():
            return "the host is not known"
        case ssl.SSLCertVerificationError():
            return f"the certificate is not valid: {error.verify_message}"
        case ssl.SSLError():
            return f"no TLS connection: {error.reason}"
        case TimeoutError():
            return "no connection in time"
        case ConnectionRefusedError():
            return "the connection was refused"
        case _:
            return f"no answer: {type(error).__name__}"
