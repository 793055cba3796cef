from uuid import uuid4

from core import cancellation, images
from core.bootstrap import Services
from core.images import Picture
from core.states import JobState
from tests import builders


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
