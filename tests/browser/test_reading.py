"""The dashboard as operators read it: in a real browser, live, by keys, on a phone."""

import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route, expect

from core.states import JobState
from tests import builders
from tests.browser.conftest import HeldBack, House, Visitor

PAGES = (
    *("/ops/", "/ops/jobs", "/ops/batches", "/ops/gallery", "/ops/providers", "/ops/workers", "/ops/keys"),
    *("/ops/money", "/ops/webhooks", "/ops/operations", "/ops/audit"),
)
A_TICK_IS_OVER = """new Promise((over) => {
    document.addEventListener("htmx:afterSettle", () => over(true), {once: true});
    htmx.trigger(document.body, "tick");
})"""
# Neither the page nor a table in it.
WIDER_THAN_ITS_PLACE = """[document.documentElement, ...document.querySelectorAll(".table")]
    .filter((each) => each.scrollWidth > each.clientWidth).map((each) => each.innerText)"""

# A browser without a window never does by itself.
TURN_AWAY = """(away) => {
    Object.defineProperty(document, "hidden", {value: away, configurable: true});
    document.dispatchEvent(new Event("visibilitychange"));
}"""


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


def test_a_prompt_that_is_markup_stays_text(house: House, operator: Visitor) -> None:
    house.stack.generate(prompt="<img src=x onerror=\"document.title='pwned'\"><script>alert(1)</script>").result()

    page = operator.visit("/ops/gallery")

    expect(page.get_by_text("<script>alert(1)</script>").first).to_be_visible()
    assert page.title() == "Gallery · Darkroom"
    page.locator(".picture").first.click()
    expect(page.get_by_text("onerror=").first).to_be_visible()
    assert "pwned" not in page.title()


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


def test_a_stream_that_breaks_off_is_told_and_taken_up_again(operator: Visitor) -> None:
    operator.page.route("**/ops/stream", lambda route: route.abort())
    page = operator.visit("/ops/providers")
    expect(page.locator("#pulse")).to_contain_text("disconnected")
    expect(page.locator("#lost")).to_have_text("disconnected")

    page.unroute("**/ops/stream")

    expect(page.locator("#pulse")).to_contain_text("live")
    expect(page.locator("#lost")).to_be_empty()


def test_a_page_whose_user_is_signed_out_leads_to_the_sign_in(operator: Visitor) -> None:
    page = operator.page

    def refuse(route: Route) -> None:
        page.context.clear_cookies()
        route.fulfill(status=401)

    page.route("**/ops/stream", refuse)

    operator.visit("/ops/providers")

    expect(page.get_by_label("Password")).to_be_visible()


def test_a_tab_that_is_not_seen_holds_no_connection(operator: Visitor) -> None:
    page = operator.visit("/ops/providers")
    expect(page.locator("#pulse")).to_contain_text("live")

    with page.expect_event("requestfailed", lambda request: request.url.endswith("/ops/stream")):
        page.evaluate(TURN_AWAY, True)

    with page.expect_request("**/ops/stream"):
        page.evaluate(TURN_AWAY, False)


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


def test_a_phone_shows_every_page_without_scrolling_sideways(
    house: House, operator: Visitor, held_back: HeldBack
) -> None:
    house.stack.generate().result()
    held_back.queue(1)
    operator.page.set_viewport_size({"width": 390, "height": 844})

    for path in PAGES:
        page = operator.visit(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert page.evaluate(WIDER_THAN_ITS_PLACE) == [], path


def test_a_list_of_filters_is_gone_through_by_keys_until_its_choice_is_shown(operator: Visitor) -> None:
    page = operator.visit("/ops/gallery")
    expect(page.locator("#pulse")).to_contain_text("live")

    page.get_by_role("button", name="Show").focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.evaluate("window.sameDocument = true")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    chosen = page.get_by_label("Model").input_value()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.evaluate(A_TICK_IS_OVER)
    assert page.evaluate("window.sameDocument") is True
    page.keyboard.press("Enter")

    expect(page).to_have_url(re.compile(rf"[?&]model={chosen}"))
    expect(page.get_by_label("Model")).to_have_value(chosen)
    page.go_back()
    expect(page.get_by_label("Model")).to_have_value("")


def test_a_chart_is_read_off_and_narrowed_down_by_keys(operator: Visitor) -> None:
    page = operator.visit("/ops/?window=1h")
    chart = page.locator("#chart-flow")
    read = page.locator("figure", has=chart).get_by_role("status")
    expect(page.locator("#pulse")).to_contain_text("live")

    chart.focus()
    page.keyboard.press("ArrowRight")
    expect(read).to_contain_text("UTC")
    latest = read.inner_text()
    page.keyboard.press("ArrowLeft")
    expect(read).not_to_have_text(latest)
    page.keyboard.press("Enter")

    expect(page).to_have_url(re.compile(r"/ops/jobs\?since=.+&until=.+"))


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 390)])
def test_axe_finds_nothing_on_any_page_that_keeps_somebody_out(
    house: House, admin: Visitor, theme: Any, width: int
) -> None:
    house.stack.generate().result()
    admin.page.emulate_media(color_scheme=theme)
    admin.page.set_viewport_size({"width": width, "height": 900})
    job = admin.visit("/ops/jobs").locator("tbody tr[data-href]").first.get_attribute("data-href")

    for path in (*PAGES, job or ""):
        page = admin.visit(path)
        expect(page.locator("#pulse")).to_contain_text("live")
        assert barriers(page) == [], path
    page = admin.visit("/ops/keys")
    page.get_by_role("button", name="Make a key…").click()
    assert barriers(page) == []


def barriers(page: Page) -> list[str]:
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [f"{rule['id']}: {node['html']}" for rule in found for node in rule["nodes"]]
