"""What a command leaves on the terminal."""

from collections.abc import Callable
from typing import NamedTuple


class Done(NamedTuple):
    """What a command left behind."""

    status: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


def lines(done: Done) -> list[str]:
    assert done.status == 0, done.stderr
    return done.stdout.splitlines()


def complaint(done: Done) -> str:
    """The one line that a refused command leaves behind."""
    assert (done.status, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ")
    return line.removeprefix("Error: ")
