"""Where a queued job stands agrees with the order in which jobs are admitted."""

from uuid import UUID

from core import admission, places
from core.bootstrap import Services
from core.keys import Caller
from core.places import Place
from core.states import Lane
from tests import builders


def place_of(services: Services, job_id: UUID) -> int | None:
    job = builders.job_of(services, job_id)
    with services.database.single() as session:
        place = places.of_jobs(session, [job]).get(job_id)
    return None if place is None else place.ahead


def queue(services: Services, caller: Caller, number: int, lane: Lane = Lane.INTERACTIVE) -> list[UUID]:
    return [builders.queue(services, caller, lane=lane) for _ in range(number)]


def test_places_agree_with_the_order_of_admission(services: Services) -> None:
    builders.register(services, slots=1)
    _, light = builders.make_caller(services)
    _, heavy = builders.make_caller(services, weight=2)
    jobs = queue(services, light, 4) + queue(services, heavy, 6) + queue(services, light, 2, Lane.ASYNC)
    foretold = sorted(jobs, key=lambda job_id: place_of(services, job_id) or 0)

    started = []
    for slots in range(1, len(jobs) + 1):
        builders.register(services, slots=slots)
        started += admission.admit(services.database, "openai")

    assert started == foretold


def test_a_long_queue_of_another_key_is_ahead_of_a_keys_first_job_with_one(services: Services) -> None:
    builders.register(services, slots=1)
    _, many = builders.make_caller(services)
    _, one = builders.make_caller(services)
    queue(services, many, 30)

    [job_id] = queue(services, one, 1)

    assert place_of(services, job_id) == 1


def test_more_urgent_lanes_are_ahead(services: Services) -> None:
    builders.register(services, slots=1)
    _, caller = builders.make_caller(services)
    queue(services, caller, 3)

    [job_id] = queue(services, caller, 1, Lane.BATCH)

    assert place_of(services, job_id) == 3


def test_a_job_far_back_has_no_place_yet(services: Services) -> None:
    builders.register(services, slots=1)
    _, caller = builders.make_caller(services)
    jobs = queue(services, caller, places.FIRST + 1)

    assert place_of(services, jobs[places.FIRST - 1]) == places.FIRST - 1
    assert place_of(services, jobs[-1]) is None


def test_a_provider_that_starts_nothing_has_no_slots_to_wait_for(services: Services) -> None:
    builders.register(services, slots=10)
    _, caller = builders.make_caller(services)
    [job_id] = queue(services, caller, 1)
    with services.database.transaction() as session:
        assert admission.pause(session, "openai")

    with services.database.single() as session:
        assert places.of_jobs(session, [builders.job_of(services, job_id)]) == {job_id: Place(ahead=0, slots=0)}


def test_batches_count_on_what_they_do_not_leave_to_others(services: Services) -> None:
    builders.register(services, slots=20)
    _, caller = builders.make_caller(services)
    [job_id] = queue(services, caller, 1, Lane.BATCH)

    with services.database.single() as session:
        assert places.of_jobs(session, [builders.job_of(services, job_id)])[job_id].slots == 18
