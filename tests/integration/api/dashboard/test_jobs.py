"""/ops/jobs: all jobs, narrowed down by the address."""

import re
from uuid import UUID

import pytest

from core.bootstrap import Services
from core.errors import FailureKind
from core.generation import Size
from tests import builders
from tests.integration.api import lives
from tests.integration.api.dashboard.conftest import Visitor, words
from tests.integration.api.lives import Owner

ROW = re.compile(r'data-href="/ops/jobs/([0-9a-f-]{36})"')
PAGE = 50


def rows(visitor: Visitor, address: str) -> list[UUID]:
    """The jobs that a page of the table has."""
    page = visitor.client.get(address)
    assert page.status_code == 200, words(page.text)
    return [UUID(job_id) for job_id in ROW.findall(page.text)]


def way(visitor: Visitor, address: str, label: str) -> str | None:
    """Where a button of the pager leads."""
    found = re.search(rf'href="([^"]+)">{label}</a>', visitor.client.get(address).text)
    return found and found[1].replace("&amp;", "&")


def test_jobs_are_narrowed_down_by_state_model_lane_and_why_they_failed(
    services: Services, owner: Owner, viewer: Visitor
) -> None:
    failed, refused = (lives.begin(services, owner) for _ in range(2))
    lives.let_in(services)
    lives.fail(services, builders.claim(services, failed), FailureKind.UNAVAILABLE)
    lives.fail(services, builders.claim(services, refused), FailureKind.MODERATED)
    waiting = lives.begin(services, owner, model="dall-e-3")
    mine = f"/ops/jobs?key={owner.key_id}"

    assert rows(viewer, mine) == [waiting, refused, failed]
    assert rows(viewer, f"{mine}&state=failed") == [refused, failed]
    assert rows(viewer, f"{mine}&state=failed,queued&error=moderated") == [refused]
    assert rows(viewer, f"{mine}&model=dall-e-3&lane=interactive") == [waiting]
    assert rows(viewer, f"{mine}&lane=batch") == []


def test_a_job_is_found_by_how_its_id_begins(services: Services, owner: Owner, viewer: Visitor) -> None:
    job_id = lives.begin(services, owner)

    assert rows(viewer, f"/ops/jobs?q={str(job_id)[:30]}") == [job_id]


def test_each_choice_says_how_many_jobs_it_would_show(services: Services, owner: Owner, viewer: Visitor) -> None:
    lives.fail(services, lives.start(services, lives.begin(services, owner)))
    for _ in range(2):
        lives.begin(services, owner)

    page = viewer.get(f"/ops/jobs?key={owner.key_id}&state=failed")

    assert "all 3 queued 2" in page
    assert "failed 1" in page
    assert "1 match" in page


def test_pages_lead_to_older_jobs_and_back_to_newer_ones(
    services: Services, owner: Owner, viewer: Visitor
) -> None:
    builders.copy(services, lives.begin(services, owner), PAGE + 4)
    first = f"/ops/jobs?key={owner.key_id}"

    second = way(viewer, first, "Older")
    assert second
    back = way(viewer, second, "Newer")
    assert back

    newest, oldest = rows(viewer, first), rows(viewer, second)
    assert (len(newest), len(oldest)) == (PAGE, 5)
    assert sorted(newest + oldest, reverse=True) == newest + oldest
    assert rows(viewer, back) == newest
    assert way(viewer, first, "Newer") is way(viewer, second, "Older") is None


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_page_that_has_run_empty_leads_back_to_the_newest(
    services: Services, owner: Owner, viewer: Visitor, side: str
) -> None:
    job_id = lives.begin(services, owner)
    mine = f"/ops/jobs?key={owner.key_id}"

    assert rows(viewer, f"{mine}&{side}={job_id}") == []
    assert way(viewer, f"{mine}&{side}={job_id}", "Newest") == mine


def test_the_form_of_filters_keeps_what_the_address_has(viewer: Visitor) -> None:
    page = viewer.client.get("/ops/jobs?cost_to=0&since=2026-11-23T17:30:15Z").text

    assert re.search('<details class="more" open.* name="cost_to" value="0"', page, re.DOTALL)
    assert 'name="since" value="2026-11-23T17:30:15"' in page


@pytest.mark.parametrize(
    "query",
    [
        "state=melted",
        "lane=fast",
        "key=mine",
        "error=bad_luck",
        "since=tomorrow",
        "since=0001-01-01T00:00",
        "until=9999-12-31T23:59:59",
        "cost_from=a%20lot",
        "cost_from=1e999999",
        "q=lighthouse",
        "gone=perhaps",
        "before=1",
        "after=%00",
        "provider=open%00ai",
        f"model={'x' * 10_000}",
    ],
)
def test_what_cannot_be_looked_for_is_said_in_words(viewer: Visitor, query: str) -> None:
    response = viewer.client.get(f"/ops/jobs?{query}")

    assert response.status_code == 400
    assert "400 This cannot be done" in words(response.text)


def test_a_house_without_jobs_says_how_to_begin(viewer: Visitor) -> None:
    assert "Clear a filter" in viewer.get("/ops/jobs?batch=batch_of_nobody")


def test_only_who_may_act_is_offered_to_pick_jobs(
    services: Services, owner: Owner, viewer: Visitor, operator: Visitor
) -> None:
    lives.begin(services, owner)

    boxes = [
        each.client.get(f"/ops/jobs?key={owner.key_id}").text.count("checkbox") for each in (viewer, operator)
    ]

    assert boxes == [0, 3]


def test_what_jobs_are_about_is_no_part_of_the_table(services: Services, owner: Owner, viewer: Visitor) -> None:
    lives.begin(services, owner)

    assert "lighthouse" not in viewer.get(f"/ops/jobs?key={owner.key_id}")
    assert str(Size(256, 256)) in viewer.get(f"/ops/jobs?key={owner.key_id}")
