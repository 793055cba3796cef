"""Which addresses events may be told to: public ones, by TLS, and those of hosts that the operator allows."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

LONGEST_ADDRESS = 2048
PORTS = {"http": 80, "https": 443}
NAME = r"[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?"
HOST = re.compile(rf"{NAME}|[0-9a-f:.]+")
ALLOWED = re.compile(rf"(?P<name>(?:\*\.)?{NAME}|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{{1,5}}))?")
# All public addresses of IPv6 are in here.
GLOBAL_UNICAST = IPv6Network("2000::/3")
# By which networks without IPv4 reach its addresses (RFC 6052); the last 32 bits are such an address.
NAT64 = IPv6Network("64:ff9b::/96")
# What the registries of IANA do not call global, and older releases of Python do; clouds have metadata there.
SPECIAL = (IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24"), IPv6Network("3fff::/20"))


class AllowedHost(NamedTuple):
    """A host, or by `*.` all below it, at a port, or at any."""

    name: str
    port: int | None


@dataclass(frozen=True, slots=True)
class Target:
    """The parts of an address; `path` includes the query, `host` is without the brackets of an IPv6 address."""

    scheme: str
    host: str
    port: int
    path: str


def allowed(text: str) -> tuple[AllowedHost, ...]:
    """`hooks.internal, *.example.com, 10.0.0.5:8080`. Raises ValueError."""
    return tuple(_allowed(part.strip().lower()) for part in text.split(",") if part.strip())


def _allowed(text: str) -> AllowedHost:
    found = ALLOWED.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return AllowedHost(found["name"].strip("[]"), int(found["port"]) if found["port"] else None)


def is_allowed(target: Target, hosts: Sequence[AllowedHost]) -> bool:
    return any(_matches(target.host, host.name) and host.port in (None, target.port) for host in hosts)


def _matches(host: str, name: str) -> bool:
    return host.endswith(name[1:]) if name.startswith("*.") else host == name


def check(url: str, hosts: Sequence[AllowedHost]) -> None:
    """Refuse what could never be told to. Raises ValueError, which says what is expected instead.

    Where a name leads is looked at when a connection is made: it may change at any time.
    """
    target = parse(url)
    if is_allowed(target, hosts):
        return
    if target.scheme != "https":
        raise ValueError("expected an https address")
    if _is_ip(target.host) and not is_public(target.host):
        raise ValueError("expected a public address")


def parse(url: str) -> Target:
    """Raises ValueError, which says what is expected instead."""
    if len(url) > LONGEST_ADDRESS or not all("!" <= character <= "~" for character in url) or "\\" in url:
        raise ValueError(f"expected an address of at most {LONGEST_ADDRESS} visible ASCII characters")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("expected an address such as https://example.com/hook") from None
    if parts.scheme not in PORTS or not HOST.fullmatch(host) or port == 0:
        raise ValueError("expected an address such as https://example.com/hook")
    if "@" in parts.netloc:
        raise ValueError("expected an address without a user name")
    query = f"?{parts.query}" if parts.query else ""
    return Target(parts.scheme, host, port or PORTS[parts.scheme], (parts.path or "/") + query)


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet. One that wraps another is what it wraps."""
    return _is_public(ip_address(address))


def _is_public(ip: IPv4Address | IPv6Address) -> bool:
    if any(ip in network for network in SPECIAL):
        return False
    if isinstance(ip, IPv4Address):
        return ip.is_global and not (ip.is_multicast or ip.is_reserved)
    inner = IPv4Address(int(ip) & 0xFFFF_FFFF) if ip in NAT64 else ip.ipv4_mapped or ip.sixtofour
    if inner:
        return _is_public(inner)
    return ip.is_global and ip in GLOBAL_UNICAST
