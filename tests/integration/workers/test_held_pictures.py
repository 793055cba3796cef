from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import select

from core.bootstrap import Services
from core.errors import FailureKind
from core.orm import HeldPicture
from core.states import CallOutcome, JobState
from core.storage import Storage
from tests import builders
from tests.fakes import FakeProvider
from tests.integration.workers.attempts import (
    attempt,
    attempt_again,
    outcomes_of,
    overtake,
    result_of,
    stored_pictures,
)
from workers import retries
from workers.providers.errors import Unavailable


def held_positions(services: Services, job_id: UUID) -> list[int]:
    with services.database.transaction() as session:
        held = select(HeldPicture.position).where(HeldPicture.job_id == job_id)
        return sorted(session.scalars(held))


@pytest.fixture
def storeless(services: Services) -> Services:
    """The same services, but for a store where nobody listens."""
    return replace(services, storage=Storage("http://127.0.0.1:1", "access", "secret", bucket="none"))


def test_a_picture_that_the_store_did_not_take_is_stored_later_and_not_bought_again(
    services: Services, storeless: Services
) -> None:
    job_id, provider = builders.make_job(services, n=2), FakeProvider()

    attempt(storeless, provider, job_id)
    assert builders.state_of(services, job_id) is JobState.QUEUED
    assert held_positions(services, job_id) == [0, 1]
    attempt_again(services, provider, job_id)

    assert stored_pictures(services, job_id) == provider.made
    assert (len(provider.orders), outcomes_of(services, job_id)) == (1, [CallOutcome.DELIVERED])
    assert [image.revised_prompt for image in result_of(services, job_id).images] == ["picture 1", "picture 2"]
    assert held_positions(services, job_id) == []


def test_a_held_picture_is_stored_whatever_becomes_of_the_rest(services: Services, storeless: Services) -> None:
    job_id, provider = builders.make_job(services, n=2), FakeProvider(1, Unavailable("503"))

    attempt(storeless, provider, job_id)
    attempt_again(services, provider, job_id)
    assert held_positions(services, job_id) == []
    attempt_again(services, provider, job_id)

    assert [order.n for order in provider.orders] == [2, 1, 1]
    assert stored_pictures(services, job_id) == provider.made


def test_a_store_that_stays_away_fails_the_job_and_lets_its_pictures_go(
    services: Services, storeless: Services
) -> None:
    job_id, provider = builders.make_job(services), FakeProvider()

    attempt(storeless, provider, job_id)
    for _ in range(retries.MOST_STORE_FAILURES - 1):
        attempt_again(storeless, provider, job_id)

    failure = result_of(services, job_id).failure
    assert failure
    assert failure.kind is FailureKind.STORE
    assert len(provider.orders) == 1
    assert held_positions(services, job_id) == []


def test_a_late_worker_without_a_store_holds_nothing(services: Services, storeless: Services) -> None:
    job_id = builders.make_job(services)

    def lose() -> None:
        overtake(services, job_id)
        builders.claim(services, job_id, worker="worker-2")

    attempt(storeless, FakeProvider(lose), job_id)

    assert builders.state_of(services, job_id) is JobState.RUNNING
    assert held_positions(services, job_id) == []
