from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from core import cancellation, images
from core.bootstrap import Services
from core.images import Picture
from core.states import JobState
from tests import builders
from tests.stack import until


def test_a_cancelled_job_is_announced_to_whoever_waits(services: Services) -> None:
    job_id = builders.make_job(services)
    heard = services.notifier.listen()
    assert next(heard) is None

    assert cancellation.cancel(services.database, services.notifier, job_id)

    assert next(heard) == job_id
    assert builders.state_of(services, job_id) is JobState.CANCELLED


def test_pictures_that_waited_for_the_store_are_dropped_with_their_job(services: Services) -> None:
    claim = builders.claim(services, builders.make_job(services))
    with services.database.transaction() as session:
        images.hold(session, claim, [Picture(position=0, png=b"png", revised_prompt=None)])

    assert cancellation.cancel(services.database, services.notifier, claim.job_id)

    with services.database.transaction() as session:
        assert images.held(session, claim.job_id) == []


def test_what_has_ended_or_never_was_cannot_be_cancelled(services: Services) -> None:
    job_id = builders.make_job(services)
    assert cancellation.cancel(services.database, services.notifier, job_id)

    assert not cancellation.cancel(services.database, services.notifier, job_id)
    assert not cancellation.cancel(services.database, services.notifier, uuid4())


def test_a_picture_that_lands_while_its_job_is_cancelled_is_charged(services: Services) -> None:
    claim = builders.claim(services, builders.make_job(services))
    picture = Picture(position=0, png=b"png", revised_prompt=None)

    with ThreadPoolExecutor(1) as owner:
        with services.database.transaction() as session:
            builders.record(session, claim, picture, picture.object_key(claim))
            cancelled = owner.submit(cancellation.cancel, services.database, services.notifier, claim.job_id)
            until(lambda: builders.is_held_up(services), "the cancelling waits for the worker", within=20)
        assert cancelled.result()

    job = builders.job_of(services, claim.job_id)
    assert job.charged == job.unit_price
