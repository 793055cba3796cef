"""The dashboard as operators meet it: looked at and acted on through a real browser."""

import re
from uuid import UUID

import pytest
from playwright.sync_api import Route, expect

from core import admission, keys
from core.orm import Provider
from core.states import JobState
from tests import builders
from tests.browser.conftest import House, Visitor
from tests.stack import until

PAGES = (
    *("/ops/", "/ops/jobs", "/ops/batches", "/ops/gallery", "/ops/providers", "/ops/workers", "/ops/keys"),
    *("/ops/money", "/ops/webhooks", "/ops/operations", "/ops/audit"),
)


@pytest.fixture
def held_back(house: House) -> "HeldBack":
    return HeldBack(house)


class HeldBack:
    """Jobs that wait, since their provider is paused."""

    def __init__(self, house: House) -> None:
        self._house = house

    def queue(self, number: int) -> list[UUID]:
        self.pause()
        return [builders.queue(self._house.services, self._house.caller) for _ in range(number)]

    def pause(self) -> None:
        with self._house.services.database.transaction() as session:
            admission.pause(session, "openai")

    def resume(self) -> None:
        with self._house.services.database.transaction() as session:
            admission.resume(session, "openai")


@pytest.fixture(autouse=True)
def _resumed(held_back: HeldBack) -> None:
    held_back.resume()


@pytest.mark.parametrize("path", PAGES)
def test_every_page_can_be_seen_by_a_viewer_and_breaks_no_rule(viewer: Visitor, path: str) -> None:
    page = viewer.visit(path)

    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator("#pulse")).to_contain_text("live")


def test_a_job_is_seen_to_go_through_without_a_reload(
    house: House, operator: Visitor, held_back: HeldBack
) -> None:
    [job_id] = held_back.queue(1)
    page = operator.visit(f"/ops/jobs/{job_id}")
    expect(page.locator("#live > p .state").first).to_have_text("queued")
    page.evaluate("window.sameDocument = true")

    held_back.resume()

    expect(page.locator("#live > p .state").first).to_have_text("completed")
    expect(page.get_by_text("stored", exact=True)).to_be_visible()
    expect(page.get_by_alt_text("Picture 1 of this job")).to_be_visible()
    assert page.evaluate("window.sameDocument") is True
    assert builders.state_of(house.services, job_id) is JobState.COMPLETED


def test_a_count_is_a_filter_and_the_address_holds_the_view(operator: Visitor, held_back: HeldBack) -> None:
    held_back.queue(2)
    page = operator.visit("/ops/jobs")

    page.get_by_role("navigation", name="States").get_by_role("link", name=re.compile("queued")).click()

    expect(page).to_have_url(re.compile(r"[?&]state=queued"))
    states = page.locator("tbody .state")
    expect(states.first).to_have_text("queued")
    assert set(states.all_inner_texts()) == {"queued"}


def test_all_that_match_are_cancelled_in_the_background_after_a_preview(
    house: House, operator: Visitor, held_back: HeldBack
) -> None:
    job_ids = held_back.queue(3)
    page = operator.visit("/ops/jobs?state=queued&provider=openai")

    page.get_by_label(re.compile("all .* that match")).check()
    page.get_by_role("button", name="Preview…").click()
    expect(page.get_by_text("All that match")).to_be_visible()
    page.get_by_label("Why").fill("a test of the house")
    page.get_by_role("button", name=re.compile("Cancel .* jobs")).click()

    expect(page.locator("#live > p .state").first).to_have_text("done")
    assert {builders.state_of(house.services, job_id) for job_id in job_ids} == {JobState.CANCELLED}
    entry = operator.visit("/ops/audit")
    expect(entry.get_by_role("row").filter(has_text="jobs.cancel").first).to_contain_text("a test of the house")


def test_one_job_that_is_picked_by_keys_is_the_only_one_that_is_cancelled(
    house: House, operator: Visitor, held_back: HeldBack
) -> None:
    older, newer = held_back.queue(2)
    page = operator.visit("/ops/jobs?state=queued")
    expect(page.locator(f"#row-{newer}")).to_be_visible()

    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator("[data-chosen]")).to_have_text("1")
    page.locator("#bulk-format").evaluate("(select) => (select.value = 'jsonl')")
    [latest] = held_back.queue(1)
    expect(page.locator(f"#row-{latest}")).to_be_visible()
    expect(page.locator("#bulk-format")).to_have_value("jsonl")
    page.get_by_role("button", name="Preview…").click()
    page.get_by_role("button", name=re.compile("Cancel .* jobs")).click()

    expect(page.locator("#live > p .state").first).to_have_text("done")
    assert builders.state_of(house.services, newer) is JobState.CANCELLED
    assert builders.state_of(house.services, older) is JobState.QUEUED


def test_a_paused_provider_starts_nothing_until_it_is_resumed(house: House, operator: Visitor) -> None:
    page = operator.visit("/ops/providers")
    card = page.get_by_role("region", name="openai")

    card.get_by_role("button", name="Pause…").click()
    asked = page.locator("#pause-openai")
    asked.get_by_label("Why").fill("its invoice looks odd")
    asked.get_by_role("button", name="Pause", exact=True).click()

    expect(page.get_by_role("status")).to_have_text("openai starts nothing new.")
    expect(card.locator("h2 .state")).to_have_text("paused")
    job_id = builders.queue(house.services, house.caller)
    expect(card.get_by_text("oldest")).to_be_visible()
    assert builders.state_of(house.services, job_id) is JobState.QUEUED

    card.get_by_role("button", name="Resume…").click()
    page.locator("#resume-openai").get_by_role("button", name="Resume", exact=True).click()

    until(lambda: builders.state_of(house.services, job_id) is JobState.COMPLETED, "the job is made")


def test_slots_are_changed_at_run_time(house: House, operator: Visitor) -> None:
    page = operator.visit("/ops/providers")

    page.get_by_role("region", name="openai").get_by_role("button", name="Slots and rate…").click()
    page.locator("#change-openai").get_by_label(re.compile("Slots")).fill("17")
    page.locator("#change-openai").get_by_role("button", name="Slots and rate", exact=True).click()

    expect(page.get_by_role("region", name="openai")).to_contain_text("of 17")
    with house.services.database.transaction() as session:
        row = session.get(Provider, "openai")
        assert row
        assert row.slots == 17


def test_what_is_being_filled_in_outlives_an_answer_that_was_under_way(operator: Visitor) -> None:
    page = operator.visit("/ops/providers")
    under_way: list[Route] = []
    expect(page.locator("#pulse")).to_contain_text("live")
    page.route("**/ops/providers", lambda route: under_way.append(route))  # noqa: PLW0108 - it marks what it is given
    with page.expect_request("**/ops/providers"):
        page.evaluate("htmx.trigger(document.body, 'tick')")

    page.get_by_role("region", name="openai").get_by_role("button", name="Slots and rate…").click()
    slots = page.locator("#change-openai").get_by_label(re.compile("Slots"))
    slots.fill("17")
    slots.blur()
    page.evaluate("() => { over = new Promise((over) => document.addEventListener('htmx:afterOnLoad', over)) }")
    for route in under_way:
        route.continue_()
    page.evaluate("over.then(() => true)")

    expect(slots).to_have_value("17")


def test_a_budget_is_changed_and_shown(house: House, admin: Visitor) -> None:
    with house.services.database.transaction() as session:
        caller = keys.find(session, keys.create(session, "a key with a budget"))
        assert caller
    page = admin.visit(f"/ops/keys/{caller.key_id}")

    page.get_by_role("button", name="Change limits…").click()
    page.locator("#change").get_by_label("Cap", exact=True).fill("42.50")
    page.locator("#change").get_by_role("button", name="Change limits").click()

    expect(page.get_by_text("$0.00 of $42.50")).to_be_visible()


def test_a_prompt_that_is_markup_stays_text(house: House, operator: Visitor) -> None:
    house.stack.generate(prompt="<img src=x onerror=\"document.title='pwned'\"><script>alert(1)</script>").result()

    page = operator.visit("/ops/gallery")

    expect(page.get_by_text("<script>alert(1)</script>").first).to_be_visible()
    assert page.title() == "Gallery · Darkroom"
    page.locator(".picture").first.click()
    expect(page.get_by_text("onerror=").first).to_be_visible()
    assert "pwned" not in page.title()


def test_a_viewer_is_shown_no_way_to_act_and_refused_all_the_same(viewer: Visitor) -> None:
    page = viewer.visit("/ops/providers")
    expect(page.get_by_role("region", name="openai")).to_be_visible()

    assert page.get_by_role("button", name=re.compile("Pause…|Drain…|Slots")).count() == 0
    refused = page.evaluate(
        """async () => {
            const token = document.querySelector("[name=form_token]").value;
            const body = new URLSearchParams({form_token: token});
            return (await fetch("/ops/providers/openai/pause", {method: "POST", body})).status;
        }"""
    )
    assert refused == 403


def test_a_form_without_the_page_it_belongs_to_is_refused(admin: Visitor) -> None:
    page = admin.visit("/ops/providers")

    refused = page.evaluate("async () => (await fetch('/ops/providers/openai/pause', {method: 'POST'})).status")

    assert refused == 403


def test_pictures_are_blurred_until_somebody_wants_to_see_them(house: House, operator: Visitor) -> None:
    house.stack.generate().result()
    page = operator.visit("/ops/gallery")
    picture = page.locator(".picture img").first
    expect(picture).to_have_css("filter", "blur(22px)")

    page.keyboard.press("b")

    expect(picture).to_have_css("filter", "none")


def test_keys_lead_through_the_house(operator: Visitor) -> None:
    page = operator.visit("/ops/")
    expect(page.locator("#pulse")).to_contain_text("live")

    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("j")

    expect(page).to_have_url(re.compile(r"/ops/jobs$"))
    expect(page.locator("#pulse")).to_contain_text("live")  # the new page listens
    page.keyboard.press("/")
    expect(page.get_by_label("Id of a job or request")).to_be_focused()


def test_keys_work_where_there_is_no_search_and_where_rows_lead_elsewhere(operator: Visitor) -> None:
    page = operator.visit("/ops/workers")
    expect(page.locator("#pulse")).to_contain_text("live")

    page.keyboard.press("j")
    expect(page.locator("tbody tr").first.get_by_role("link")).to_be_focused()
    page.keyboard.press("/")

    expect(page.get_by_label("Id of a job or request")).to_be_focused()


def test_dragging_over_a_chart_of_the_overview_leads_to_the_jobs_of_that_time(operator: Visitor) -> None:
    page = operator.visit("/ops/?window=1h")
    expect(page.locator("#pulse")).to_contain_text("live")

    box = page.locator("#chart-flow .u-over").bounding_box()
    assert box
    page.mouse.move(box["x"] + 40, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 140, box["y"] + 40, steps=4)
    page.mouse.up()

    expect(page).to_have_url(re.compile(r"/ops/jobs\?since=.+&until=.+"))


def test_a_page_that_cannot_be_had_anew_stays_and_says_of_when_it_is(operator: Visitor) -> None:
    page = operator.visit("/ops/providers")
    expect(page.locator("#pulse")).to_contain_text("live")

    page.route("**/ops/providers", lambda route: route.fulfill(status=503, body="away"))
    page.evaluate("htmx.trigger(document.body, 'tick')")

    expect(page.locator("#pulse")).to_contain_text("not refreshed: 503")
    expect(page.get_by_role("region", name="openai")).to_be_visible()
    page.unroute("**/ops/providers")
    page.evaluate("htmx.trigger(document.body, 'tick')")
    expect(page.locator("#pulse")).to_contain_text("live")


def test_a_theme_that_was_chosen_is_there_on_the_next_page(operator: Visitor) -> None:
    page = operator.visit("/ops/audit")

    page.keyboard.press("t")
    page.keyboard.press("t")
    operator.visit("/ops/workers")

    assert page.locator("html").get_attribute("data-theme") == "dark"


def test_live_can_be_paused(operator: Visitor, held_back: HeldBack) -> None:
    page = operator.visit("/ops/jobs?state=queued")
    expect(page.locator("#pulse")).to_contain_text("live")

    page.keyboard.press("p")
    held_back.queue(1)

    expect(page.locator("#pulse")).to_contain_text("paused")
    page.keyboard.press("p")
    expect(page.locator("tbody .state").first).to_have_text("queued")


def test_a_phone_shows_every_page_without_scrolling_sideways(viewer: Visitor) -> None:
    viewer.page.set_viewport_size({"width": 390, "height": 844})

    for path in PAGES:
        page = viewer.visit(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, path
