"""/ops/keys: who may call, and what each may."""

import re
from collections.abc import Callable

from core import keys
from core.bootstrap import Services
from core.orm import AuditEntry
from core.states import Role
from tests import builders
from tests.integration.api.dashboard.conftest import Visitor, words


def make(admin: Visitor, **fields: object) -> tuple[str, str]:
    """A key made on the page, and the path of its page."""
    response = admin.post("/ops/keys", {"name": "made here", **fields})
    assert response.status_code == 200, response.text
    assert "hx-get" not in response.text  # a tick would put the list of keys in its place
    secret = re.search(r"sk-darkroom-[\w-]+", response.text)
    path = re.search(r'href="(/ops/keys/[0-9a-f-]{36})"', response.text)
    assert secret
    assert path
    return secret[0], path[1]


def test_a_key_that_was_made_is_shown_once_and_lets_its_owner_in(admin: Visitor) -> None:
    secret, path = make(admin)

    again = admin.client.get(path).text
    models = admin.client.get("/v1/models", headers={"Authorization": f"Bearer {secret}"})

    assert models.status_code == 200
    assert secret not in again


def test_limits_that_were_set_hold_and_are_shown(admin: Visitor) -> None:
    secret, path = make(admin, cap="12.50", models=["dall-e-3"], requests_per_minute="60")

    page = admin.get(path)
    refused = admin.client.get("/v1/models/dall-e-2", headers={"Authorization": f"Bearer {secret}"})

    assert "$0.00 of $12.50" in page
    assert "Requests per minute 60" in page
    assert refused.status_code == 404


def test_a_budget_can_be_changed_and_lifted(admin: Visitor, last_entry: Callable[[], AuditEntry]) -> None:
    _, path = make(admin, cap="12.50")

    admin.post(path, {"cap_a_day": "3", "weight": "2", "why": "a quieter month"})

    page, entry = admin.get(path), last_entry()
    assert "of $3.00" in page
    assert "12.50" not in page
    assert (entry.actor, entry.action, entry.why) == (admin.name, "key.change", "a quieter month")
    assert entry.detail == {"cap_a_day": "3", "weight": "2", "reattaches": "no"}


def test_a_model_that_is_not_offered_now_is_not_lost_with_the_next_change(
    services: Services, admin: Visitor
) -> None:
    _, caller = builders.make_caller(services, models=("flux-1-pro",))
    path = f"/ops/keys/{caller.key_id}"

    ticked = re.findall(r'name="models" value="([^"]+)" checked', admin.client.get(path).text)
    admin.post(path, {"cap": "10", "models": ticked})

    assert ticked == ["flux-1-pro"]
    assert "Models flux-1-pro" in admin.get(path)


def test_what_is_no_limit_is_refused_and_changes_nothing(admin: Visitor) -> None:
    _, path = make(admin, cap="12.50")

    response = admin.post(path, {"cap": "a lot"})

    assert response.status_code == 400
    assert "cap: 'a lot' is not an amount of dollars such as 12.50." in words(response.text)
    assert "12.50" in admin.get(path)


def test_a_form_that_was_refused_leads_back_to_its_page_and_nowhere_else(admin: Visitor) -> None:
    _, path = make(admin)

    ours = admin.post(path, {"cap": "a lot", "back": path}).text
    foreign = admin.post(path, {"cap": "a lot", "back": "https://example.com/ops/"}).text

    assert f'href="{path}"' in ours
    assert "example.com" not in foreign


def test_a_revoked_key_is_shut_out(admin: Visitor, last_entry: Callable[[], AuditEntry]) -> None:
    secret, path = make(admin)

    admin.post(f"{path}/revoke", {"why": "leaked"})

    entry = last_entry()
    assert (entry.action, entry.why) == ("key.revoke", "leaked")
    assert "revoked" in admin.get("/ops/keys?named=made")
    shut_out = admin.client.post("/v1/images/generations", headers={"Authorization": f"Bearer {secret}"}, json={})
    assert shut_out.status_code == 401


def test_only_admins_make_change_and_revoke(visitor: Callable[[Role], Visitor], admin: Visitor) -> None:
    _, path = make(admin)
    operator = visitor(Role.OPERATOR)

    statuses = [operator.post(address).status_code for address in ("/ops/keys", path, f"{path}/revoke")]

    assert statuses == [403, 403, 403]
    assert "in force" in admin.get("/ops/keys?named=made")


def test_a_name_that_is_markup_stays_text(services: Services, viewer: Visitor) -> None:
    with services.database.transaction() as session:
        keys.create(session, "<script>alert(1)</script>")

    page = viewer.client.get("/ops/keys").text

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_an_unknown_key_is_not_found(viewer: Visitor) -> None:
    assert viewer.client.get("/ops/keys/00000000-0000-0000-0000-000000000000").status_code == 404
