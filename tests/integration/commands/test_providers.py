from datetime import timedelta

from core import breaker
from core.bootstrap import Services
from tests import builders
from tests.integration.commands.terminal import Run, complaint, lines


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
