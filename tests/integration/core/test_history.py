"""What happened to jobs, added up exactly once, and read back."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TypeVar

from sqlalchemy import insert, select, text, update
from sqlalchemy.orm import Session

from core import calls, cancellation, history, ledger
from core.bootstrap import Services
from core.database import run
from core.errors import Failure, FailureKind
from core.history import Dimension, FlowBin, Scope, rollup
from core.images import Picture
from core.ledger import Claim
from core.orm import History, JobEvent, Provider
from core.states import CallOutcome, Event, Grain
from tests import builders
from tests.stack import until

T = TypeVar("T")

HOUR = timedelta(hours=1)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
MODERATED = Failure(FailureKind.MODERATED, "The provider does not take the prompt.")
AWAY = Failure(FailureKind.UNAVAILABLE, "The provider is away.")


def read(services: Services, reader: Callable[[Session], T]) -> T:
    with services.database.transaction() as session:
        return reader(session)


def age(services: Services) -> None:
    """As if everything had happened a while ago."""
    with services.database.transaction() as session:
        session.execute(update(JobEvent).values(at=JobEvent.at - timedelta(seconds=3)))


def roll_up(services: Services) -> int:
    age(services)
    return read(services, history.roll_up)


def flow(services: Services, window: timedelta = HOUR) -> history.Flow:
    return read(services, lambda session: history.flow(session, history.lately(session, window)))


def complete(services: Services) -> Claim:
    claim = builders.claim(services, builders.make_job(services))
    with services.database.transaction() as session:
        call_id = calls.open_call(session, claim, positions=[0])
        builders.record(session, claim, Picture(position=0, png=b"png", revised_prompt=None), "key")
        run(session, calls.closing(call_id, CallOutcome.DELIVERED))
        assert builders.succeed(session, claim)
    return claim


def fail(services: Services, failure: Failure) -> Claim:
    claim = builders.claim(services, builders.make_job(services))
    with services.database.transaction() as session:
        assert ledger.fail(session, claim, failure)
    return claim


def test_every_event_is_counted_once(services: Services) -> None:
    complete(services)
    builders.make_job(services, admit=False)

    assert roll_up(services) == 5
    assert roll_up(services) == 0

    found = flow(services)
    assert sum(each.recorded for each in found.bins) == 2
    assert sum(each.started for each in found.bins) == 1
    assert sum(each.completed for each in found.bins) == 1


def test_events_that_come_later_are_added(services: Services) -> None:
    complete(services)
    roll_up(services)
    complete(services)

    roll_up(services)

    [row] = read(services, history.totals).jobs
    assert (row.recorded, row.completed, row.pictures, row.charged) == (2, 2, 2, Decimal("0.106"))
    assert (sum(row.waits), sum(row.renders), sum(row.totals)) == (2, 2, 2)


def test_what_just_happened_waits_until_nothing_older_can_come(services: Services) -> None:
    builders.make_job(services, admit=False)

    assert read(services, history.roll_up) == 0
    assert read(services, history.lag) > timedelta()

    assert roll_up(services) == 1
    assert read(services, history.lag) == timedelta()


def test_an_event_of_a_transaction_that_commits_late_is_not_lost(services: Services) -> None:
    job_id = builders.make_job(services, admit=False)
    roll_up(services)
    with services.database.transaction() as late:
        late.execute(insert(JobEvent).values(job_id=job_id, event=Event.RETRIED, attempt=1))
        with services.database.transaction() as session:
            session.execute(insert(JobEvent).values(job_id=job_id, event=Event.RESCUED, attempt=1))
        until(lambda: read(services, history.lag) > rollup.MARGIN, "old enough")

        assert read(services, history.roll_up) == 0, "what was written after it is not passed by either"

    assert read(services, history.roll_up) == 2
    [row] = read(services, history.totals).jobs
    assert (row.retried, row.rescued) == (1, 1)


def test_who_writes_something_else_for_long_holds_nothing_up(services: Services) -> None:
    with services.database.transaction() as busy:
        busy.execute(update(Provider).values(slots=7))
        builders.make_job(services, admit=False)
        until(lambda: read(services, history.lag) > rollup.MARGIN, "old enough")

        assert read(services, history.roll_up) == 1


def test_two_schedulers_do_not_count_the_same_events(services: Services) -> None:
    builders.make_job(services, admit=False)
    age(services)

    with services.database.transaction() as first:
        assert history.roll_up(first) == 1
        assert read(services, history.roll_up) == 0

    assert read(services, history.roll_up) == 0


def test_what_was_rolled_back_is_counted_the_next_time(services: Services) -> None:
    builders.make_job(services, admit=False)
    age(services)

    with services.database.transaction() as session:
        assert history.roll_up(session) == 1
        session.rollback()

    assert read(services, history.roll_up) == 1


def test_attempts_that_were_left_to_another_worker_are_counted(services: Services) -> None:
    claim = builders.claim(services, builders.make_job(services))
    with services.database.transaction() as session:
        assert ledger.hand_over(session, claim)
    roll_up(services)

    [row] = read(services, history.totals).jobs
    assert (row.handed_over, row.retried, row.rescued) == (1, 0, 0)


def test_refusals_are_told_apart_from_failures(services: Services) -> None:
    complete(services)
    fail(services, AWAY)
    last = fail(services, MODERATED)
    roll_up(services)

    with services.database.transaction() as session:
        bins = history.lately(session, HOUR)
        found = history.outcomes(session, bins, Dimension.PROVIDER)["openai"]
        groups = {group.kind: group for group in history.failures(session, bins)}

    assert (found.completed, found.failed, found.refused) == (1, 2, 1)
    assert (found.success, found.refusal) == (1 / 2, 1 / 3)
    assert groups.keys() == {FailureKind.UNAVAILABLE, FailureKind.MODERATED}
    assert groups[FailureKind.MODERATED].job_id == last.job_id


def test_calls_are_counted_by_what_became_of_them(services: Services) -> None:
    complete(services)
    claim = builders.claim(services, builders.make_job(services))
    with services.database.transaction() as session:
        calls.open_call(session, claim, positions=[0])
        calls.give_up_calls(session, claim.job_id)
        assert ledger.fail(session, claim, AWAY)
    roll_up(services)

    found = read(services, lambda session: history.calls(session, history.lately(session, HOUR)))

    assert {each.outcome: each.calls for each in found} == {CallOutcome.DELIVERED: 1, CallOutcome.UNKNOWN: 1}


def test_what_was_open_before_a_window_is_its_opening(services: Services) -> None:
    before = builders.make_job(services, admit=False)
    with services.database.transaction() as session:
        session.execute(update(JobEvent).values(at=JobEvent.at - 3 * HOUR))
    complete(services)
    roll_up(services)

    assert flow(services).opening == 1
    assert flow(services, 24 * HOUR).opening == 0

    cancellation.cancel(services.database, services.notifier, before)
    roll_up(services)
    found = flow(services)
    assert (found.opening, sum(each.cancelled for each in found.bins)) == (1, 1)


WINDOWS = {
    timedelta(minutes=5): (5, timedelta(minutes=1)),
    HOUR: (60, timedelta(minutes=1)),
    24 * HOUR: (24, HOUR),
    timedelta(days=7): (168, HOUR),
    timedelta(days=30): (30, timedelta(days=1)),
}


def test_a_window_has_bins_enough_for_a_chart_and_empty_ones_too(services: Services) -> None:
    for window, (number, width) in WINDOWS.items():
        found = flow(services, window).bins

        assert len(found) == number
        assert all(later.at - earlier.at == width for earlier, later in pairwise(found))
        assert set(found) == {FlowBin(at=each.at) for each in found}


def test_everything_can_be_read_of_one_provider_model_and_key(services: Services) -> None:
    own, other = complete(services), complete(services)
    key_id, other_key = (builders.job_of(services, claim.job_id).key_id for claim in (own, other))
    roll_up(services)
    mine, nobodys = Scope(provider="openai", model="dall-e-2", key_id=key_id), Scope(model="dall-e-3")

    with services.database.transaction() as session:
        bins, today = history.lately(session, HOUR), history.days(session, 1)
        assert [
            sum(each.completed for each in history.flow(session, bins, of).bins) for of in (mine, nobodys)
        ] == [
            1,
            0,
        ]
        assert history.outcomes(session, bins, Dimension.KEY).keys() == {str(key_id), str(other_key)}
        assert history.latencies_by_provider(session, bins, nobodys) == {}
        assert history.latencies_by_provider(session, bins, mine)["openai"].wait is not None
        [day] = history.spending(session, today, Dimension.KEY, mine)
        [all_keys] = history.spending(session, today, Dimension.PROVIDER)

    assert day.charged == {str(key_id): Decimal("0.053")}
    assert all_keys.charged == {"openai": Decimal("0.106")}


def test_durations_are_read_bin_by_bin(services: Services) -> None:
    complete(services)
    roll_up(services)

    found = read(services, lambda session: history.latencies(session, history.lately(session, HOUR)))

    assert len(found) == 60
    [busy] = [each.latencies for each in found if each.latencies.total]
    assert busy.wait
    assert busy.render
    assert 0 < busy.render.p50 <= busy.render.p95 < 5


def test_minutes_are_dropped_after_two_days_and_hours_are_kept(services: Services) -> None:
    complete(services)
    roll_up(services)
    with services.database.transaction() as session:
        session.execute(update(History).where(History.at > LONG_AGO).values(at=History.at - timedelta(days=3)))

    dropped = read(services, history.prune)

    assert dropped > 0
    assert read(services, history.prune) == 0
    kept = read(services, lambda session: set(session.scalars(select(History.grain))))
    assert kept == {Grain.HOUR, Grain.DAY, Grain.EVER}


def test_what_happened_long_ago_is_not_counted_by_minute(services: Services) -> None:
    complete(services)
    with services.database.transaction() as session:
        session.execute(update(JobEvent).values(at=JobEvent.at - timedelta(days=3)))
    roll_up(services)

    counted = read(services, lambda session: set(session.scalars(select(History.grain))))
    assert counted == {Grain.HOUR, Grain.DAY, Grain.EVER}


def test_the_counts_do_not_depend_on_the_time_zone_of_the_session(services: Services) -> None:
    complete(services)
    age(services)

    with services.database.transaction() as session:
        session.execute(text("SET LOCAL timezone = 'Asia/Kathmandu'"))
        history.roll_up(session)

    hours = select(History.at).where(History.grain == Grain.HOUR)
    assert {at.minute for at in read(services, lambda session: session.scalars(hours).all())} == {0}
