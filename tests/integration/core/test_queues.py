"""Whose turn it is: lanes, fair shares, priorities; and what stands aside."""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import update

from core import admission
from core.bootstrap import Services
from core.keys import Caller
from core.orm import Job
from core.states import Lane
from tests import builders

STARTS = 150


def admit(services: Services) -> list[UUID]:
    return admission.admit(services.database, "openai")


def callers(services: Services, number: int) -> list[Caller]:
    return [builders.make_caller(services)[1] for _ in range(number)]


def fill(services: Services, caller: Caller, number: int, lane: Lane = Lane.INTERACTIVE) -> list[UUID]:
    return [builders.queue(services, caller, lane=lane) for _ in range(number)]


def settle(services: Services, job_ids: Sequence[UUID]) -> None:
    for job_id in job_ids:
        claim = builders.claim(services, job_id)
        with services.database.transaction() as session:
            assert builders.succeed(session, claim)


def test_one_job_of_one_key_does_not_wait_for_the_many_of_another(services: Services) -> None:
    builders.register(services, slots=4)
    many, one = callers(services, 2)
    first = fill(services, many, 20)[:4]
    assert set(admit(services)) == set(first)
    last = builders.queue(services, one)

    settle(services, first[:1])

    assert admit(services) == [last]


def test_slots_are_shared_evenly_between_keys(services: Services) -> None:
    builders.register(services, slots=9)
    jobs = {job_id: caller.key_id for caller in callers(services, 3) for job_id in fill(services, caller, 10)}

    admitted = Counter(jobs[job_id] for job_id in admit(services))

    assert sorted(admitted.values()) == [3, 3, 3]


def test_a_key_of_twice_the_weight_gets_twice_the_slots(services: Services) -> None:
    builders.register(services, slots=9)
    _, light = builders.make_caller(services)
    _, heavy = builders.make_caller(services, weight=2)
    heavies = [fill(services, caller, 10) for caller in (light, heavy)][1]

    admitted = admit(services)

    assert len(set(admitted) & set(heavies)) == 6
    assert len(admitted) == 9


def test_what_a_key_has_under_way_counts_against_it(services: Services) -> None:
    builders.register(services, slots=6)
    busy, idle = callers(services, 2)
    fill(services, busy, 3)
    admit(services)
    fill(services, busy, 10)
    idles = fill(services, idle, 10)

    assert set(admit(services)) <= set(idles)


def test_whoever_blocks_on_a_picture_goes_before_those_who_do_not(services: Services) -> None:
    builders.register(services, slots=1)
    [caller] = callers(services, 1)
    running = builders.queue(services, caller)
    admit(services)
    later = builders.queue(services, caller, lane=Lane.ASYNC)
    sooner = builders.queue(services, caller)

    settle(services, [running])
    assert admit(services) == [sooner]
    settle(services, [sooner])
    assert admit(services) == [later]


def test_batches_keep_a_floor_whoever_else_waits(services: Services) -> None:
    builders.register(services, slots=20)
    submitter, caller = callers(services, 2)
    batch = fill(services, submitter, 30, Lane.BATCH)
    fill(services, caller, 30)

    admitted = set(admit(services))

    assert len(admitted) == 20
    assert len(admitted & set(batch)) == 2


def test_a_line_of_many_pictures_makes_do_with_the_floor(services: Services) -> None:
    builders.register(services, slots=24)
    submitter, caller = callers(services, 2)
    lines = [builders.queue(services, submitter, lane=Lane.BATCH, slots=3) for _ in range(3)]
    fill(services, caller, 60)

    admitted = admit(services)

    assert set(admitted) & set(lines) == {lines[0]}
    assert len(admitted) == 23  # the line has two slots
    assert builders.claim(services, lines[0]).slots == 2


def test_lines_of_many_pictures_go_on_however_many_callers_wait(services: Services) -> None:
    builders.register(services, slots=24)
    submitter, caller = callers(services, 2)
    lines = [builders.queue(services, submitter, lane=Lane.BATCH, slots=3) for _ in range(3)]
    fill(services, caller, 100)

    rounds = [admit(services)]
    while len(rounds) < len(lines):
        settle(services, rounds[-1])
        rounds.append(admit(services))

    assert [set(each) & set(lines) for each in rounds] == [{line} for line in lines]


def test_a_line_as_wide_as_its_provider_starts_and_holds_nobody_up(services: Services) -> None:
    builders.register(services, slots=4)
    wide, narrow = callers(services, 2)
    lines = [builders.queue(services, wide, lane=Lane.BATCH, slots=4), *fill(services, narrow, 2, Lane.BATCH)]

    assert set(admit(services)) == set(lines)


def test_a_call_as_wide_as_its_provider_starts_beside_batches(services: Services) -> None:
    builders.register(services, slots=4)
    submitter, caller = callers(services, 2)
    lines = fill(services, submitter, 30, Lane.BATCH)
    assert set(admit(services)) == set(lines[:3])
    wide = builders.queue(services, caller, slots=4)

    settle(services, lines[:1])
    assert admit(services) == []  # two are free, and kept for it
    settle(services, lines[1:2])

    assert admit(services) == [wide]
    assert builders.claim(services, wide).slots == 3


def test_a_wide_call_has_all_slots_where_no_batch_waits(services: Services) -> None:
    builders.register(services, slots=4)
    [caller] = callers(services, 1)
    wide = builders.queue(services, caller, slots=10)

    assert admit(services) == [wide]
    assert builders.claim(services, wide).slots == 4


def test_batches_leave_slots_to_those_who_may_come(services: Services) -> None:
    builders.register(services, slots=20)
    submitter, caller = callers(services, 2)
    batch = fill(services, submitter, 30, Lane.BATCH)

    assert set(admit(services)) == set(batch[:18])
    assert admit(services) == []

    blocked = builders.queue(services, caller)
    assert admit(services) == [blocked]


def test_batches_have_a_single_slot_when_nobody_else_wants_it(services: Services) -> None:
    builders.register(services, slots=1)
    [submitter] = callers(services, 1)
    [first, _] = fill(services, submitter, 2, Lane.BATCH)

    assert admit(services) == [first]


def test_of_the_starts_of_a_single_slot_batches_get_some_and_callers_most(services: Services) -> None:
    builders.register(services, slots=1)
    submitter, caller = callers(services, 2)
    lines = fill(services, submitter, STARTS // 3, Lane.BATCH)
    fill(services, caller, STARTS)

    started = []
    for _ in range(STARTS):
        [job_id] = admit(services)
        settle(services, [job_id])
        started.append(job_id)

    # By lot, a tenth: that it is none of so many, or a third, happens once in millions of runs.
    assert 0 < len(set(started) & set(lines)) < len(lines)


def test_among_a_keys_own_jobs_priority_goes_before_age(services: Services) -> None:
    builders.register(services, slots=2)
    [caller] = callers(services, 1)
    old = builders.queue(services, caller)
    builders.queue(services, caller)
    urgent = builders.queue(services, caller, priority=5)

    assert set(admit(services)) == {urgent, old}


def test_a_priority_is_of_no_concern_to_other_keys(services: Services) -> None:
    builders.register(services, slots=2)
    pushy, modest = callers(services, 2)
    for _ in range(4):
        builders.queue(services, pushy, priority=100)
    quiet = builders.queue(services, modest)

    assert quiet in admit(services)


def test_what_is_held_waits_until_it_is_let_go(services: Services) -> None:
    builders.register(services, slots=2)
    [caller] = callers(services, 1)
    held, free = fill(services, caller, 2)
    with services.database.transaction() as session:
        session.execute(update(Job).where(Job.id == held).values(held=True))
    assert admit(services) == [free]

    with services.database.transaction() as session:
        session.execute(update(Job).where(Job.id == held).values(held=False))

    assert admit(services) == [held]


def test_a_wide_job_is_not_overtaken_for_ever_by_narrow_ones(services: Services) -> None:
    builders.register(services, slots=4)
    wide, narrow = callers(services, 2)
    running = fill(services, narrow, 2)
    admit(services)
    waits = builders.queue(services, wide, n=4, slots=4)
    fill(services, narrow, 3)

    assert admit(services) == []  # two are free, and kept for it
    settle(services, running)
    assert admit(services) == [waits]
