"""Operators act on the house through a real browser, and only those who may."""

import re

from playwright.sync_api import Route, expect

from core import keys
from core.orm import Provider
from core.states import JobState
from tests import builders
from tests.browser.conftest import HeldBack, House, Visitor
from tests.stack import until


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

    expect(page.get_by_role("status").filter(has_text="openai starts nothing new.")).to_be_visible()
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
    page.locator("#change").get_by_label("Cap, $", exact=True).fill("42.50")
    page.locator("#change").get_by_role("button", name="Change limits").click()

    expect(page.get_by_text("$0.00 of $42.50")).to_be_visible()


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
