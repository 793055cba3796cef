from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import update

from core import ledger
from core.bootstrap import Services
from core.errors import Failure, FailureKind
from core.orm import Job, ProviderCall
from core.searches import figures, listing
from core.searches.matches import SCATTERED, SIDE_BY_SIDE
from core.searches.search import Search, SearchRefused, from_query, to_query
from core.states import CallOutcome, Door, JobState, Lane
from tests import builders

FULL = Search(
    states=frozenset({JobState.FAILED, JobState.QUEUED}),
    provider="openai",
    model="dall-e-2",
    key_id=UUID(int=7),
    batch_id="batch_1",
    lane=Lane.BATCH,
    door=Door.SYNC,
    failure=FailureKind.MODERATED,
    least_cost=Decimal("0.01"),
    most_cost=Decimal(0),
    since=datetime(2026, 11, 23, 17, 30, tzinfo=UTC),
    until=datetime(2026, 11, 24, tzinfo=UTC),
    caller_gone=True,
    in_doubt=True,
    text="req_ab12",
)


def find(services: Services, **query: str) -> list[UUID]:
    with services.database.transaction() as session:
        return [found.job.id for found in listing.page(session, from_query(query)).jobs]


def change(services: Services, job_id: UUID, **values: object) -> UUID:
    with services.database.transaction() as session:
        session.execute(update(Job).where(Job.id == job_id).values(**values))
    return job_id


def failed(services: Services, kind: FailureKind) -> UUID:
    job_id = builders.make_job(services)
    claim = builders.claim(services, job_id)
    with services.database.transaction() as session:
        assert ledger.fail(session, claim, Failure(kind, "no"))
    return job_id


def test_a_search_is_the_query_of_an_address() -> None:
    assert from_query(to_query(FULL)) == FULL
    assert to_query(Search()) == {}
    assert from_query({"state": "", "before": "somebody else's"}) == Search()


@pytest.mark.parametrize(
    ("parameter", "text"),
    [
        ("state", "failed,lost"),
        ("lane", "fast"),
        ("key", "7"),
        ("cost_from", "-1"),
        ("cost_to", "NaN"),
        ("since", "yesterday"),
        ("gone", "yes"),
        ("provider", "a\0b"),
        ("q", "a lighthouse"),
        ("q", "req_f"),
        ("q", "f" * 33),
    ],
)
def test_a_query_that_makes_no_sense_is_told_where(parameter: str, text: str) -> None:
    with pytest.raises(SearchRefused) as refused:
        from_query({parameter: text})

    assert refused.value.param == parameter


def test_jobs_are_found_by_what_they_are(services: Services) -> None:
    broken = failed(services, FailureKind.MODERATED)
    _, caller = builders.make_caller(services)
    waiting = builders.queue(services, caller, lane=Lane.BATCH, n=2)
    other = change(services, builders.queue(services, caller, door=Door.ASYNC), provider="bfl", model="flux")

    assert find(services) == [other, waiting, broken]
    assert find(services, state="failed") == [broken]
    assert find(services, state="failed,queued", lane="batch") == [waiting]
    assert (
        find(services, provider="bfl") == find(services, model="flux") == find(services, door="async") == [other]
    )
    assert find(services, key=str(caller.key_id)) == [other, waiting]
    assert find(services, error="moderated") == [broken]
    assert find(services, error="unknown") == []
    assert find(services, cost_from=str(builders.job_of(services, waiting).price)) == [waiting]
    assert find(services, cost_to="0") == [broken]
    assert find(services, q=str(other)) == find(services, q=str(other).upper()) == [other]
    assert find(services, q=str(other)[:9]) == [other, waiting, broken]
    assert find(services, q="req_ffff") == []


def test_a_job_is_found_by_the_id_of_its_request_however_many_came_later(services: Services) -> None:
    _, caller = builders.make_caller(services)
    job_id = builders.queue(services, caller)
    builders.copy(services, job_id, SIDE_BY_SIDE)
    change(services, job_id, request_id="req_0123456789abcdef")

    assert find(services, q="req_0123456789abcdef") == find(services, q="req_0123") == [job_id]
    assert find(services, q="req_0123", state="failed") == []


def test_a_line_of_a_batch_is_found_by_the_id_of_its_request(services: Services) -> None:
    _, caller = builders.make_caller(services)
    job_id = builders.queue(services, caller)
    builders.queue(services, caller)
    change(services, job_id, door=Door.BATCH, request_id=f"req_{job_id.hex}")

    assert find(services, q=f"req_{job_id.hex}") == [job_id]


def test_jobs_are_found_by_when_they_came_in(services: Services) -> None:
    _, caller = builders.make_caller(services)
    job_id = builders.queue(services, caller)
    at = builders.job_of(services, job_id).created_at
    later = (at + timedelta(seconds=1)).isoformat()

    assert find(services, since=at.isoformat(), until=later) == [job_id]
    assert find(services, since=later) == find(services, until=at.isoformat()) == []


def test_jobs_are_found_whose_caller_was_gone(services: Services) -> None:
    def settled(*, ago: int, door: Door = Door.SYNC, delivered: bool = False) -> UUID:
        job_id = failed(services, FailureKind.LOST)
        at = datetime.now(UTC) - timedelta(seconds=ago)
        return change(services, job_id, settled_at=at, door=door, delivered_at=at if delivered else None)

    gone = settled(ago=20)
    settled(ago=1)
    settled(ago=20, delivered=True)
    settled(ago=20, door=Door.ASYNC)

    assert find(services, gone="1") == [gone]


def test_jobs_are_found_that_may_have_cost_money_in_vain(services: Services) -> None:
    lost, _ = failed(services, FailureKind.UNKNOWN), failed(services, FailureKind.UNKNOWN)
    with services.database.transaction() as session:
        session.add(
            ProviderCall(
                job_id=lost,
                attempt=1,
                provider="openai",
                upstream_model="gpt-image-2",
                positions=[0],
                outcome=CallOutcome.UNKNOWN,
                ended_at=datetime.now(UTC),
            )
        )

    assert find(services, doubt="1") == [lost]


def test_pages_lead_to_the_older_and_back_to_the_newer(services: Services) -> None:
    _, caller = builders.make_caller(services)
    ids = [builders.queue(services, caller) for _ in range(5)][::-1]

    with services.database.transaction() as session:
        first = listing.page(session, Search(), limit=2)
        second = listing.page(session, Search(), before=first.older, limit=2)
        third = listing.page(session, Search(), before=second.older, limit=2)
        back = listing.page(session, Search(), after=second.newer, limit=2)

    told = [[found.job.id for found in page.jobs] for page in (first, second, third, back)]
    assert told == [ids[:2], ids[2:4], ids[4:], ids[:2]]
    assert (first.newer, third.older, back.newer) == (None, None, None)


def test_what_is_told_of_a_job_in_a_table(services: Services) -> None:
    broken = failed(services, FailureKind.MODERATED)

    with services.database.transaction() as session:
        (found,) = listing.page(session, Search()).jobs

    assert (found.job.id, found.key, found.cost) == (broken, "tester", Decimal(0))
    assert found.images == ()
    assert found.failure == Failure(FailureKind.MODERATED, "no")
    assert found.wait is not None
    assert found.wait > 0
    assert found.render is None


def test_what_is_rare_is_looked_for_in_a_bounded_time_and_found_by_going_on(services: Services) -> None:
    rare = failed(services, FailureKind.MODERATED)
    error = Failure(FailureKind.LOST, "").to_json()
    builders.copy(services, rare, SCATTERED, error=error)
    search = Search(failure=FailureKind.MODERATED)

    with services.database.transaction() as session:
        first = listing.page(session, search)
        second = listing.page(session, search, before=first.older)

    assert first.jobs == ()
    assert [found.job.id for found in second.jobs] == [rare]
    assert second.older is None


def test_counts_are_of_what_else_could_be_picked(services: Services) -> None:
    failed(services, FailureKind.MODERATED)
    failed(services, FailureKind.LOST)
    _, caller = builders.make_caller(services)
    builders.queue(services, caller, lane=Lane.BATCH)
    change(services, builders.queue(services, caller), provider="bfl")

    with services.database.transaction() as session:
        counts = figures.counts(session, Search(states=frozenset({JobState.FAILED}), provider="openai"))
        narrow = figures.counts(session, Search(failure=FailureKind.LOST))

    assert counts.total == 2
    assert counts.states == {JobState.FAILED: 2, JobState.QUEUED: 1}
    assert counts.providers == {"openai": 2}
    assert counts.lanes == {Lane.INTERACTIVE: 2}
    assert counts.failures == {FailureKind.MODERATED: 1, FailureKind.LOST: 1}
    assert not counts.capped
    assert (narrow.total, narrow.failures) == (1, counts.failures)


def test_counts_of_very_many_say_that_there_are_more(services: Services) -> None:
    builders.copy(services, failed(services, FailureKind.LOST), SCATTERED)

    with services.database.transaction() as session:
        counts = figures.counts(session, Search(states=frozenset({JobState.FAILED})))

    assert (counts.total, counts.capped) == (SCATTERED, True)


def test_a_chart_has_what_the_search_finds_over_time(services: Services) -> None:
    failed(services, FailureKind.LOST)
    _, caller = builders.make_caller(services)
    waiting = builders.queue(services, caller)
    at = builders.job_of(services, waiting).created_at
    hour = Search(since=at - timedelta(minutes=30), until=at + timedelta(minutes=30))

    def chart(search: Search) -> figures.Series:
        with services.database.transaction() as session:
            return figures.series(session, search, figures.counts(session, search).oldest)

    both, one = chart(hour), chart(replace(hour, states=frozenset({JobState.FAILED})))
    none = chart(Search(provider="bfl"))

    def jobs(series: figures.Series, state: JobState) -> int:
        return sum(each.states.get(state, 0) for each in series.bins)

    assert (jobs(both, JobState.QUEUED), jobs(both, JobState.FAILED)) == (1, 1)
    assert (jobs(one, JobState.QUEUED), jobs(one, JobState.FAILED)) == (0, 1)
    assert all(not each.states for each in none.bins)
    assert len(both.bins) <= figures.MOST_BINS + 1
