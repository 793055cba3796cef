import re
import subprocess
import sys
from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID, uuid4

import pytest
import requests
from click.testing import CliRunner

from core import keys, ledger
from core.bootstrap import Services
from core.errors import Failure, FailureKind
from core.states import JobState
from darkroom import cli
from sandbox import ports
from sandbox.parts import UPSTREAMS
from tests import builders


class Done(NamedTuple):
    """What a command left behind."""

    status: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    """Runs `darkroom` with this test's environment."""

    def run(*words: object) -> Done:
        result = CliRunner().invoke(cli, [str(word) for word in words], env=environment)
        return Done(result.exit_code, result.stdout, result.stderr)

    return run


def lines(done: Done) -> list[str]:
    assert done.status == 0, done.stderr
    return done.stdout.splitlines()


def complaint(done: Done) -> str:
    """The one line that a refused command leaves behind."""
    assert (done.status, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ")
    return line.removeprefix("Error: ")


def test_a_key_is_printed_alone_and_works(run: Run, services: Services) -> None:
    (key,) = lines(run("keys", "create", "an owner"))

    with services.database.transaction() as session:
        caller = keys.find(session, key)
    assert caller
    assert caller.name == "an owner"


def test_keys_are_listed_without_their_secret(run: Run) -> None:
    (first,) = lines(run("keys", "create", "ann"))
    (second,) = lines(run("keys", "create", "bob"))

    listed = lines(run("keys", "list"))

    assert len(listed) == 2
    for line, key, name in zip(listed, (first, second), ("ann", "bob"), strict=True):
        assert re.fullmatch(rf"[0-9a-f-]{{36}}  …{re.escape(key[-4:])}  .* in force  {name}", line)
        assert key not in line


def test_a_revoked_key_is_shut_out_and_listed_as_such(run: Run, services: Services) -> None:
    key, caller = builders.make_caller(services)

    assert lines(run("keys", "revoke", caller.key_id)) == []

    with services.database.transaction() as session:
        assert keys.find(session, key) is None
    assert "  revoked 20" in lines(run("keys", "list"))[0]
    assert complaint(run("keys", "revoke", caller.key_id)) == f"there is no key {caller.key_id} in force"


def test_slots_are_shown_and_changed_while_everything_runs(run: Run, services: Services) -> None:
    builders.register(services, slots=7)
    assert lines(run("providers", "list")) == ["openai  7 slots"]

    assert lines(run("providers", "slots", "openai", 0)) == []

    assert lines(run("providers", "list")) == ["openai  0 slots"]
    assert complaint(run("providers", "slots", "nobody", 3)) == "there is no provider nobody"


@pytest.mark.parametrize(
    "words", [("providers", "slots", "openai", "-1"), ("jobs", "show", "12"), ("keys", "create")]
)
def test_a_garbled_command_is_explained(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, words)

    assert result.exit_code == 2
    assert result.stderr.startswith("Usage: ")


def test_a_job_is_told_from_its_beginning(run: Run, services: Services) -> None:
    job_id = builders.make_job(services)
    claim = builders.claim(services, job_id)
    with services.database.transaction() as session:
        assert ledger.fail(session, claim, Failure(FailureKind.MODERATED, "not this prompt"))

    head, *events = lines(run("jobs", "show", job_id))

    assert head == f"{job_id}  failed  dall-e-2 by openai  request req_test"
    told = [line.split("  ", 1)[1] for line in events]
    assert told == [
        "attempt 0  recorded",
        "attempt 0  admitted",
        "attempt 1  claimed",
        "attempt 1  failed  moderated: not this prompt",
    ]


def test_a_job_is_cancelled_once(run: Run, services: Services) -> None:
    job_id = builders.make_job(services)

    assert lines(run("jobs", "cancel", job_id)) == []

    assert builders.state_of(services, job_id) is JobState.CANCELLED
    assert complaint(run("jobs", "cancel", job_id)) == f"there is no job {job_id} that could be cancelled"


@pytest.mark.parametrize("command", ["show", "cancel"])
def test_a_job_that_never_was_is_said_plainly(run: Run, command: str) -> None:
    unknown: UUID = uuid4()

    assert complaint(run("jobs", command, unknown)).startswith(f"there is no job {unknown}")


@pytest.mark.parametrize(
    "words", [("api",), ("worker", "--provider", "openai"), ("scheduler",), ("migrate",), ("keys", "list")]
)
def test_no_part_starts_without_its_settings_and_all_missing_ones_are_named(words: tuple[str, ...]) -> None:
    names = ["DATABASE_URL", "REDIS_URL", "S3_ENDPOINT", "S3_ACCESS_KEY", "S3_SECRET_KEY"]

    result = CliRunner().invoke(cli, words, env=dict.fromkeys(names))

    assert result.exit_code == 1
    assert result.output == f"Error: {'; '.join(f'{name} is required' for name in names)}\n"


def test_all_simulators_start_with_one_command() -> None:
    first = ports.choose(())
    command = [sys.executable, "-m", "darkroom", "simulators", "--port", str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        listed = [process.stdout.readline().split() for _ in UPSTREAMS]
        answers = [requests.get(address, timeout=5) for _, address in listed]
        process.terminate()

    assert [name for name, _ in listed] == [upstream.provider for upstream in UPSTREAMS]
    assert all(answer.ok for answer in answers)
    assert process.returncode == 0
