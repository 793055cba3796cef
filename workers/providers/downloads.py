"""Fetches what an answer names: from allowed hosts only, never redirected, never from a private network."""

import re
import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address
from typing import ClassVar
from urllib.parse import urlsplit

from workers.providers.errors import Misconfigured
from workers.providers.http import (
    Answer,
    Client,
    Limits,
    PlainConnection,
    PlainPool,
    SecureConnection,
    SecurePool,
    legible,
)

# So narrow that no two parsers of URLs can disagree on the host: no user, no backslash, nothing but ASCII.
URL = re.compile(r"(https?)://([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?(?![^/?])[!-\[\]-~]*", re.IGNORECASE)
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class _Rule:
    host: re.Pattern[str]
    client: Client
    trusted: bool


class Downloads:
    """GETs to `base_url`'s own host and port, to its subdomains, and to other hosts that were named; thread-safe.

    A host is an exact name, or `.example.org` for all subdomains; `*` in it stands for a part of one label. It may
    carry a port where that is not its scheme's own. The scheme is https, or also http where `base_url` has it.
    Only `base_url`'s host and its subdomains, which the operator chose, may be in a private network; all others
    are looked at when they are connected, since a name may resolve to something else each time.
    """

    def __init__(
        self,
        base_url: str,
        *,
        hosts: Collection[str],
        trusted: Collection[str] = (),
        limits: Limits,
        connections: int,
    ) -> None:
        """`trusted` hosts get the headers of a fetch, as the own ones do; `hosts` never get them."""
        base = urlsplit(base_url)
        own_host, own_port = base.hostname or "", str(base.port or PORTS[base.scheme])
        inside = Client("", {}, connections=connections, limits=limits)
        outside = _OutsideClient("", {}, connections=connections, limits=limits)
        self._schemes = {"https", base.scheme}
        self._rules = [
            *(_Rule(_pattern(own, own_port), inside, trusted=True) for own in (own_host, f".{own_host}")),
            *(_Rule(_pattern(*_split(host)), outside, trusted=True) for host in trusted),
            *(_Rule(_pattern(*_split(host)), outside, trusted=False) for host in hosts),
        ]

    def allows(self, url: str) -> bool:
        return self._rule(url) is not None

    def trusts(self, url: str) -> bool:
        """Whether it is of the provider itself, so that it may see our key."""
        rule = self._rule(url)
        return rule is not None and rule.trusted

    def fetch(self, url: str, *, headers: Mapping[str, str] | None = None) -> Answer:
        """Ask once, and answer whatever status came. `headers` are left out where the host is not trusted.

        Raises Misconfigured for an address that is not allowed or that redirects, Unavailable when no whole answer
        came.
        """
        rule = self._rule(url)
        if rule is None:
            raise Misconfigured(f"an answer names an address that is not allowed: {_named(url)}")
        answer = rule.client.get(url, headers=headers if rule.trusted else None)
        if HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
            raise Misconfigured(f"an address that an answer names redirects: {_named(url)}")
        return answer

    def _rule(self, url: str) -> _Rule | None:
        parts = URL.fullmatch(url)
        if parts is None or parts[1].lower() not in self._schemes:
            return None
        host, port = parts[2].lower().strip("[]"), int(parts[3] or PORTS[parts[1].lower()])
        standard = port == PORTS[parts[1].lower()]
        places = {f"{host} {port}", f"{host} "} if standard else {f"{host} {port}"}
        return next((rule for rule in self._rules if any(map(rule.host.fullmatch, places))), None)


def _split(host: str) -> tuple[str, str]:
    name, _, port = host.partition(":")
    return name, port


def _pattern(name: str, port: str) -> re.Pattern[str]:
    """Matches `host port`; an empty port is the scheme's own."""
    label = "[a-z0-9-]*"
    suffix = rf"(?:{label}\.)+" if name.startswith(".") else ""
    return re.compile(suffix + re.escape(name.removeprefix(".").lower()).replace(r"\*", label) + f" {port}")


def _named(url: str) -> str:
    """The host alone: the rest may be signed, which makes it as good as a key."""
    parts = URL.fullmatch(url)
    return legible(parts[2]) if parts else "not a plain http address"


def _refuse_private(connected: socket.socket) -> socket.socket:
    """Nothing was sent yet, not even a TLS greeting."""
    address = ip_address(str(connected.getpeername()[0]).partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if not address.is_global or address.is_multicast:
        connected.close()
        raise Misconfigured(f"an answer names an address within a private network: {address}")
    return connected


class _OutsidePlainConnection(PlainConnection):
    def _new_conn(self) -> socket.socket:
        return _refuse_private(super()._new_conn())


class _OutsideSecureConnection(SecureConnection):
    def _new_conn(self) -> socket.socket:
        return _refuse_private(super()._new_conn())


class _OutsidePlainPool(PlainPool):
    ConnectionCls = _OutsidePlainConnection


class _OutsideSecurePool(SecurePool):
    ConnectionCls = _OutsideSecureConnection


class _OutsideClient(Client):
    hosts: ClassVar = 10
    pools: ClassVar = {"http": _OutsidePlainPool, "https": _OutsideSecurePool}
