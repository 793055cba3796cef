"""What a receiver hears of a whole Darkroom."""

import pytest
from sqlalchemy import select

from core import webhooks
from core.bootstrap import Services
from core.orm import ApiKey
from tests.receiver import Receiver
from tests.stack import Stack, until


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return {**environment, "DARKROOM_WEBHOOK_HOSTS": "127.0.0.1"}


def test_the_end_of_a_job_is_told_by_the_scheduler_and_signed(stack: Stack, services: Services) -> None:
    with Receiver() as receiver:
        stack.start("simulator", "worker", "scheduler", "api")
        made = stack.generate(extra_body={"webhook_url": receiver.url}).result()
        until(lambda: '"delivery.tried"' in stack.log("scheduler"), "it is told", within=10)

    with services.database.transaction() as session:
        secret = webhooks.secret_for(session, session.scalars(select(ApiKey.id)).one())
    [got] = receiver.got
    assert made.data
    assert got.verified(secret)["type"] == "image.generation.job.completed"
    assert secret not in stack.log("scheduler")
