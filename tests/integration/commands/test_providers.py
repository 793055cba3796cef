from core.bootstrap import Services
from tests import builders
from tests.integration.commands.terminal import Run, complaint, lines


def test_slots_are_shown_and_changed_while_everything_runs(run: Run, services: Services) -> None:
    builders.register(services, slots=7)
    assert lines(run("providers", "list")) == ["openai  7 slots"]

    assert lines(run("providers", "slots", "openai", 0)) == []

    assert lines(run("providers", "list")) == ["openai  0 slots"]
    assert complaint(run("providers", "slots", "nobody", 3)) == "there is no provider nobody"
