import pytest
from click.testing import CliRunner

from darkroom import cli
from tests.integration.commands.terminal import Done, Run


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    """Runs `darkroom` with this test's environment."""

    def run(*words: object, typed: str | None = None) -> Done:
        result = CliRunner().invoke(cli, [str(word) for word in words], env=environment, input=typed)
        return Done(result.exit_code, result.stdout, result.stderr)

    return run
