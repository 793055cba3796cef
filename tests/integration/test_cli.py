import subprocess
import sys

import pytest
import requests
from click.testing import CliRunner

from darkroom import cli
from sandbox import ports
from sandbox.parts import UPSTREAMS


@pytest.mark.parametrize(
    "words", [("providers", "slots", "openai", "-1"), ("jobs", "show", "12"), ("keys", "create")]
)
def test_a_garbled_command_is_explained(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, words)

    assert result.exit_code == 2
    assert result.stderr.startswith("Usage: ")


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
