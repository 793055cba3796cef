import re
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID, uuid4

import pytest
import requests
from click.testing import CliRunner

from core import breaker, keys, ledger
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

    def run(*words: object, typed: str | None = None) -> Done:
        result = CliRunner().invoke(cli, [str(word) for word in words], env=environment, input=typed)
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


def limits_of(run: Run, key_id: UUID) -> dict[str, str]:
    """What `keys show` tells under its first line."""
    _, *rest = lines(run("keys", "show", key_id))
    return {line[:19].strip(): line[21:] for line in rest}


ALL_LIMITS = (
    *("--model", "dall-e-2", "--model", "flux-1-pro"),
    *("--requests-per-minute", 60, "--pictures-per-minute", 100, "--in-flight", 5),
    *("--cap", "10.50", "--cap-a-day", 1, "--cap-a-month", "5.25"),
    *("--weight", 3, "--expires", "2126-12-31", "--no-reattach"),
)


def owner(run: Run, services: Services, *options: object) -> UUID:
    """The id of a key that was made with these options."""
    (key,) = lines(run("keys", "create", "an owner", *options))
    with services.database.transaction() as session:
        caller = keys.find(session, key)
    assert caller
    return caller.key_id


def test_a_key_is_made_with_what_it_may(run: Run, services: Services) -> None:
    assert limits_of(run, owner(run, services, *ALL_LIMITS)) == {
        "models": "dall-e-2, flux-1-pro",
        "requests per minute": "60",
        "pictures per minute": "100",
        "weight": "3",
        "expires at": "2126-12-31 23:59 UTC",
        "reattaches": "no",
        "admin": "no",
        "cap": "10.50",
        "cap a day": "1",
        "cap a month": "5.25",
        "most in flight": "5",
        "reserved": "0",
        "spent": "0",
        "used today": "0",
        "used this month": "0",
        "in flight": "0",
    }


def test_a_key_without_options_is_not_limited(run: Run, services: Services) -> None:
    shown = limits_of(run, owner(run, services))

    limited = {name for name, value in shown.items() if value != "none"}
    assert limited == {
        *("weight", "reattaches", "admin", "reserved", "spent"),
        *("used today", "used this month", "in flight"),
    }
    assert (shown["weight"], shown["reattaches"]) == ("1", "yes")


def test_a_change_touches_only_what_it_names_and_none_lifts_a_limit(run: Run, services: Services) -> None:
    key_id = owner(run, services, *ALL_LIMITS)
    before = limits_of(run, key_id)

    assert lines(run("keys", "change", key_id, "--cap", 20, "--model", "none", "--expires", "none")) == []
    assert lines(run("keys", "change", key_id)) == []

    assert limits_of(run, key_id) == before | {"cap": "20", "models": "none", "expires at": "none"}
    assert complaint(run("keys", "change", uuid4(), "--cap", 1)).startswith("there is no key ")


def test_a_key_is_an_admins_only_where_it_is_said(run: Run, services: Services) -> None:
    plain, admin = owner(run, services), owner(run, services, "--admin")

    assert [limits_of(run, key_id)["admin"] for key_id in (plain, admin)] == ["no", "yes"]

    assert lines(run("keys", "change", admin, "--no-admin")) == []
    assert limits_of(run, admin)["admin"] == "no"


def test_what_a_key_has_used_is_shown(run: Run, services: Services) -> None:
    job_id = builders.make_job(services)
    key_id = builders.job_of(services, job_id).key_id

    shown = limits_of(run, key_id)

    assert (shown["in flight"], shown["reserved"], shown["spent"]) == ("1", "0.053", "0")
    assert shown["used today"] == shown["used this month"] == "0.053"


def test_a_key_can_be_given_so_many_days(run: Run, services: Services) -> None:
    key_id = owner(run, services, "--expires", "30d")

    with services.database.transaction() as session:
        key, moment = keys.get(session, key_id), builders.now(session)
    assert key
    assert key.expires_at
    assert timedelta(days=29) < key.expires_at - moment < timedelta(days=31)


def test_a_key_whose_time_is_over_is_listed_as_such(run: Run, services: Services) -> None:
    key_id = owner(run, services)

    assert lines(run("keys", "change", key_id, "--expires", "2020-02-29")) == []

    assert "  expired 2020-02-29 23:59  an owner" in lines(run("keys", "list"))[0]


def test_a_key_from_another_gateway_can_be_kept(run: Run, services: Services) -> None:
    done = run("keys", "create", "moved here", "--secret-from-stdin", "--cap", 1, typed="My API Key\n")

    assert (lines(done), done.stderr) == ([], "Warning: 10 characters may be guessed.\n")
    with services.database.transaction() as session:
        caller = keys.find(session, "My API Key")
    assert caller
    assert limits_of(run, caller.key_id)["cap"] == "1"
    twin = run("keys", "create", "a twin", "--secret-from-stdin", typed="My API Key\n")
    assert twin.stderr.endswith("Error: this is a key already, or was one\n")


@pytest.mark.parametrize("typed", ["", "\n", " leading", "schl\u00fcssel"])
def test_a_key_that_no_header_could_carry_is_refused(run: Run, typed: str) -> None:
    refused = run("keys", "create", "nobody", "--secret-from-stdin", typed=typed)

    assert refused.status == 2
    assert "a key is of printable ASCII" in refused.stderr
    assert lines(run("keys", "list")) == []


def test_a_model_that_nobody_offers_is_no_limit(run: Run) -> None:
    refused = complaint(run("keys", "create", "ann", "--model", "dall-e-2", "--model", "dall-e-9"))

    assert refused == "the catalog has no model dall-e-9"


@pytest.mark.parametrize(
    ("option", "text", "why"),
    [
        *(("--cap", text, "is not an amount of dollars") for text in ("-1", "NaN", "Infinity", "1e99", "much")),
        *(("--requests-per-minute", text, "is not a number from 1 on") for text in ("0", "-1", "1.5", "9" * 10)),
        ("--weight", "none", "is not a number from 1 on"),
        *(("--expires", text, "is neither a day") for text in ("tomorrow", "0d", "2026-02-30", "999999d")),
    ],
)
def test_a_limit_that_makes_no_sense_is_explained(run: Run, option: str, text: str, why: str) -> None:
    refused = run("keys", "create", "ann", f"{option}={text}")

    assert refused.status == 2
    assert f"Invalid value for '{option}': '{text}' {why}" in refused.stderr
    assert lines(run("keys", "list")) == []


def test_slots_are_shown_and_changed_while_everything_runs(run: Run, services: Services) -> None:
    builders.register(services, slots=7)
    assert lines(run("providers", "list")) == ["openai  7 slots"]

    assert lines(run("providers", "slots", "openai", 0)) == []

    assert lines(run("providers", "list")) == ["openai  0 slots"]
    assert complaint(run("providers", "slots", "nobody", 3)) == "there is no provider nobody"


def test_a_providers_rate_is_shown_changed_and_given_back(run: Run, services: Services) -> None:
    builders.register(services, slots=7)

    assert lines(run("providers", "rate", "openai", "60/minute")) == []
    assert lines(run("providers", "list"))[0] == "openai  7 slots  60/minute"

    assert lines(run("providers", "rate", "openai", "none")) == []
    assert lines(run("providers", "list"))[0] == "openai  7 slots"
    assert complaint(run("providers", "rate", "nobody", "1/second")) == "there is no provider nobody"
    refused = run("providers", "rate", "openai", "fast")
    assert refused.status == 2
    assert "'fast' is not a rate such as 60/minute or 150/10 seconds" in " ".join(refused.stderr.split())


def test_what_keeps_a_provider_is_shown_until_it_is_resumed(run: Run, services: Services) -> None:
    builders.register(services, slots=7)
    with services.database.transaction() as session:
        breaker.pause(session, "openai", timedelta(minutes=1))
    assert "left alone until" in lines(run("providers", "list"))[0]

    assert lines(run("providers", "pause", "openai")) == []
    assert lines(run("providers", "drain", "openai")) == []
    assert lines(run("providers", "list")) == ["openai  7 slots  paused  draining"]

    assert lines(run("providers", "resume", "openai")) == []
    assert lines(run("providers", "list")) == ["openai  7 slots"]
    assert complaint(run("providers", "drain", "nobody")) == "there is no provider nobody"


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


def _row_is_free(port: int) -> bool:
    return all(ports.is_free(port + offset) for offset in range(len(UPSTREAMS)))


def test_all_simulators_start_with_one_command() -> None:
    first = next(port for port in iter(lambda: ports.choose(()), None) if _row_is_free(port))
    command = [sys.executable, "-m", "darkroom", "simulators", "--port", str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        listed = [process.stdout.readline().split() for _ in UPSTREAMS]
        answers = [requests.get(address, timeout=5) for _, address in listed]
        process.terminate()

    assert [name for name, _ in listed] == [upstream.provider for upstream in UPSTREAMS]
    assert all(answer.ok for answer in answers)
    assert process.returncode == 0
