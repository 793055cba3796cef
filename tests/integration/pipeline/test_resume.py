"""Workers killed while providers are at work on what they accepted."""

import random
from pathlib import Path

import pytest
from sqlalchemy import func, select

from core.bootstrap import Services
from core.orm import Job, ProviderCall
from core.states import CallOutcome, JobState
from tests import builders
from tests.stack import Stack, until

JOBS = 20
RENDER_SECONDS = 3.0
MODELS = {"bfl": "flux-1-pro", "midjourney": "midjourney-v6"}


def count(services: Services, *conditions: object) -> int:
    with services.database.transaction() as session:
        return session.scalar(select(func.count()).select_from(ProviderCall).where(*conditions)) or 0  # type: ignore[arg-type] # conditions of any kind


def settled(services: Services) -> bool:
    with services.database.transaction() as session:
        return set(session.scalars(select(Job.state))) == {JobState.COMPLETED}


@pytest.mark.parametrize("provider", MODELS)
def test_what_a_provider_accepted_is_never_ordered_twice(
    provider: str, environment: dict[str, str], services: Services, tmp_path: Path
) -> None:
    key, _ = builders.make_caller(services)
    builders.register(services, provider=provider, slots=JOBS)
    with Stack(tmp_path, environment, key=key, provider=provider) as stack:
        stack.start("simulator", "api", "worker", "scheduler")
        stack.control("PUT", "/latency", seconds=RENDER_SECONDS)
        if provider == "midjourney":
            stack.control("PUT", "/account", core_size=JOBS)
        # Begun at random moments: the kill meets each somewhere else between its order and its picture.
        for number in range(JOBS):
            stack.generate_after(random.uniform(0, RENDER_SECONDS), **order(provider, number))
        until(lambda: count(services, ProviderCall.outcome == CallOutcome.DELIVERED), "the first is there")

        stack.kill("worker")
        stack.start("worker")

        until(lambda: settled(services), "every job has its picture", within=90)
        doubtful = count(services, ProviderCall.outcome == CallOutcome.UNKNOWN)
        assert len(stack.control("GET", "/charges")) == JOBS + doubtful
        assert count(services, ProviderCall.outcome == CallOutcome.DELIVERED) == JOBS


def order(provider: str, number: int) -> dict[str, str]:
    return {"model": MODELS[provider], "prompt": f"lighthouse {number}", "size": "1024x1024"}
