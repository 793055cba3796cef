"""Who comes in, how far, and by which forms."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, text, update

from api.dashboard.visits import MOST_SECONDS
from core import users
from core.bootstrap import Services
from core.orm import AuditEntry, SignIn
from core.states import Role
from tests.integration.api.dashboard.conftest import PASSWORD, Browse, Visitor, words

BROWSER = {"Accept": "text/html"}


def test_a_stranger_is_sent_to_sign_in_and_back_to_the_page_afterwards(
    client: FlaskClient, services: Services
) -> None:
    with services.database.transaction() as session:
        users.create(session, "grace-returns", Role.VIEWER, PASSWORD)

    asked = client.get("/ops/audit?actor=cli", headers=BROWSER)
    signed_in = client.post(
        asked.headers["Location"], data={"name": "grace-returns", "password": PASSWORD, "to": "/ops/audit"}
    )

    assert asked.status_code == 303
    assert asked.headers["Location"] == "/ops/sign-in?to=/ops/audit%3Factor%3Dcli"
    assert signed_in.headers["Location"] == "/ops/audit"
    assert client.get("/ops/audit", headers=BROWSER).status_code == 200


def test_a_stranger_reads_neither_page_nor_stream(client: FlaskClient) -> None:
    page = client.get("/ops/keys", headers=BROWSER)
    stream = client.get("/ops/stream", headers={"Accept": "text/event-stream"})

    assert page.status_code == 303
    assert stream.status_code == 401


def test_whose_form_comes_too_late_is_told_that_nothing_was_done(client: FlaskClient) -> None:
    response = client.post("/ops/providers/openai/pause", headers=BROWSER)

    assert response.status_code == 401
    assert "nothing was done" in words(response.text)
    assert "Content-Security-Policy" in response.headers


def test_a_wrong_password_does_not_tell_whether_the_name_was_right(
    client: FlaskClient, services: Services
) -> None:
    with services.database.transaction() as session:
        users.create(session, "grace-known", Role.VIEWER, PASSWORD)

    known = client.post("/ops/sign-in", data={"name": "grace-known", "password": "not hers at all"})
    unknown = client.post("/ops/sign-in", data={"name": "nobody", "password": "not hers at all"})

    assert known.status_code == unknown.status_code == 403
    assert known.text.replace("grace-known", "") == unknown.text.replace("nobody", "")


def test_guessing_is_slowed_down_also_for_the_right_password(client: FlaskClient, services: Services) -> None:
    with services.database.transaction() as session:
        users.create(session, "grace-guessed", Role.ADMIN, PASSWORD)

    for guess in range(5):
        client.post("/ops/sign-in", data={"name": "grace-guessed", "password": f"guess number {guess}"})
    response = client.post("/ops/sign-in", data={"name": "grace-guessed", "password": PASSWORD})

    assert response.status_code == 429


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_paths(client: FlaskClient, services: Services) -> None:
    with services.database.transaction() as session:
        users.create(session, "grace-cookie", Role.VIEWER, PASSWORD)

    response = client.post("/ops/sign-in", data={"name": "grace-cookie", "password": PASSWORD})

    cookie = response.headers["Set-Cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=Lax", "Path=/ops", "Max-Age=43200"))


def test_nobody_is_led_to_another_host(client: FlaskClient, services: Services) -> None:
    with services.database.transaction() as session:
        users.create(session, "grace-led", Role.VIEWER, PASSWORD)

    given = {"name": "grace-led", "password": PASSWORD, "to": "https://evil.example/ops/"}
    response = client.post("/ops/sign-in", data=given)

    assert response.headers["Location"] == "/ops/"


def test_who_signs_out_is_out_also_with_the_cookie_kept(visitor: Callable[[Role], Visitor]) -> None:
    viewer = visitor(Role.VIEWER)
    kept = viewer.client.get_cookie("ops_session", path="/ops")
    assert kept

    viewer.post("/ops/sign-out")
    viewer.client.set_cookie("ops_session", kept.value, path="/ops")

    assert viewer.client.get("/ops/audit", headers=BROWSER).status_code == 303


def test_a_form_without_its_token_does_nothing(admin: Visitor) -> None:
    response = admin.client.post("/ops/keys", data={"name": "forged"})

    assert response.status_code == 403
    assert "forged" not in admin.get("/ops/keys")


def test_a_form_on_a_page_of_another_host_does_nothing(admin: Visitor) -> None:
    fields = {"form_token": admin.form_token, "name": "forged"}
    response = admin.client.post("/ops/keys", data=fields, headers={"Sec-Fetch-Site": "cross-site"})

    assert response.status_code == 403
    assert "forged" not in admin.get("/ops/keys")


def test_who_is_disabled_is_out_at_once(visitor: Callable[[Role], Visitor], services: Services) -> None:
    viewer = visitor(Role.VIEWER)
    with services.database.transaction() as session:
        users.disable(session, viewer.name)

    assert viewer.client.get("/ops/audit", headers=BROWSER).status_code == 303


def test_browsers_may_load_nothing_from_elsewhere_and_run_nothing_inline(viewer: Visitor) -> None:
    response = viewer.client.get("/ops/audit")

    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "<script>" not in response.text
    assert " style=" not in response.text
    assert response.headers["Cache-Control"] == "no-store"


def test_a_page_that_is_not_there_says_so_to_people(viewer: Visitor) -> None:
    response = viewer.client.get("/ops/nothing-here")

    assert response.status_code == 404
    assert "There is no page /ops/nothing-here." in response.text


def test_signing_in_is_audited(
    client: FlaskClient, services: Services, last_entry: Callable[[], AuditEntry]
) -> None:
    with services.database.transaction() as session:
        users.create(session, "grace-audited", Role.VIEWER, PASSWORD)

    client.post("/ops/sign-in", data={"name": "grace-audited", "password": PASSWORD})

    entry = last_entry()
    assert (entry.actor, entry.action) == ("grace-audited", "user.sign_in")


def test_a_role_holds_from_the_next_request_on(visitor: Callable[[Role], Visitor], services: Services) -> None:
    admin = visitor(Role.ADMIN)
    with services.database.transaction() as session:
        users.set_role(session, admin.name, Role.VIEWER)

    assert admin.post("/ops/keys", {"name": "too late"}).status_code == 403
    assert "Make a key" not in admin.get("/ops/keys")


def test_who_signed_in_too_long_ago_has_to_do_so_again(
    visitor: Callable[[Role], Visitor], services: Services
) -> None:
    viewer = visitor(Role.VIEWER)
    with services.database.transaction() as session:
        session.execute(update(SignIn).values(expires_at=func.now()).where(SignIn.form_token == viewer.form_token))

    assert viewer.client.get("/ops/audit", headers=BROWSER).status_code == 303


def test_a_cookie_from_before_is_worth_nothing_after_signing_in(client: FlaskClient, services: Services) -> None:
    with services.database.transaction() as session:
        users.create(session, "grace-fixed", Role.VIEWER, PASSWORD)
    client.set_cookie("ops_session", "known-to-others", path="/ops")

    client.post("/ops/sign-in", data={"name": "grace-fixed", "password": PASSWORD})

    kept = client.get_cookie("ops_session", path="/ops")
    assert kept
    assert kept.value != "known-to-others"
    client.set_cookie("ops_session", "known-to-others", path="/ops")
    assert client.get("/ops/audit", headers=BROWSER).status_code == 303


@pytest.mark.parametrize(
    "back", ["https://evil.example/", "//evil.example/ops/", "/\\evil.example", "/opsy", "javascript:alert(1)", ""]
)
def test_no_form_leads_out_of_the_dashboard(admin: Visitor, back: str) -> None:
    response = admin.post("/ops/providers/openai/resume", {"back": back})

    assert response.headers["Location"] == "/ops/providers"


def test_no_form_writes_a_header_of_its_own(admin: Visitor) -> None:
    response = admin.post("/ops/providers/openai/resume", {"back": "/ops/\r\nSet-Cookie: a=b", "why": "\r\nA: b"})

    assert response.status_code == 303
    assert [cookie.partition("=")[0] for cookie in response.headers.getlist("Set-Cookie")] == ["ops_notice"]


def test_what_an_action_has_done_is_told_on_its_page_alone(admin: Visitor) -> None:
    admin.post("/ops/providers/openai/resume", {"back": "/ops/providers?x=1"})

    assert "openai starts jobs again." in admin.get("/ops/providers")
    assert "openai starts jobs again." not in admin.get("/ops/keys")


def test_what_an_action_has_done_is_told_as_text(admin: Visitor) -> None:
    admin.client.set_cookie("ops_notice", "%3Cscript%3Ealert(1)%3C/script%3E", path="/ops")
    admin.client.set_cookie("ops_theme", '"><script>alert(2)</script>', path="/ops")

    page = admin.client.get("/ops/audit").text

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize(
    "address",
    [
        "/ops/audit?subject=%00",
        "/ops/audit?before=9999999999999999999999",
        "/ops/keys?named=%00",
        "/ops/money?model=%00",
        "/ops/jobs?batch=%00",
    ],
)
def test_what_nothing_can_be_called_is_refused(viewer: Visitor, address: str) -> None:
    assert viewer.client.get(address).status_code == 400


def test_nobody_can_be_called_what_is_no_text(client: FlaskClient) -> None:
    response = client.post("/ops/sign-in", data={"name": "\0", "password": PASSWORD})

    assert response.status_code == 400


def test_whatever_a_page_is_asked_for_it_answers(viewer: Visitor) -> None:
    giant = "x" * 100_000

    statuses = {
        viewer.client.get(f"/ops/{page}?named={giant}&subject={giant}&model={giant}&status=&before=").status_code
        for page in ("", "jobs", "batches", "gallery", "money", "webhooks", "keys", "audit")
    }

    assert statuses <= {200, 400}


def test_a_page_that_takes_too_long_is_given_up_for_all_who_wait_for_it(
    services: Services, app: Flask, staff: dict[Role, Browse]
) -> None:
    waiting = [staff[role](app) for role in Role]
    with services.database.transaction() as session, ThreadPoolExecutor(len(waiting)) as pool:
        session.execute(text("LOCK TABLE audit"))
        begun = time.monotonic()
        responses = list(pool.map(lambda each: each.client.get("/ops/audit"), waiting))

    assert time.monotonic() - begun < 2 * MOST_SECONDS
    assert {response.status_code for response in responses} == {503}
    assert all("The database did not answer in time." in response.text for response in responses)


def test_a_bug_is_told_to_people_and_nothing_of_it(services: Services, viewer: Visitor) -> None:
    def call_it(name: str, another: str) -> None:
        with services.database.transaction() as session:
            session.execute(text(f"ALTER TABLE {name} RENAME TO {another}"))

    call_it("audit", "elsewhere")
    response = viewer.client.get("/ops/audit")
    call_it("elsewhere", "audit")

    assert response.status_code == 500
    assert f"at {response.headers['x-request-id']}." in response.text
    assert "UndefinedTable" not in response.text
    assert "Content-Security-Policy" in response.headers
