"""No address below /ops is open because somebody forgot to close it: all that there are, are tried."""

import re
from collections.abc import Callable, Iterator
from uuid import uuid4

from flask import Flask
from flask.testing import FlaskClient

from core.states import Role
from tests.integration.api.dashboard.conftest import Visitor

# For strangers: to come in, and what that page looks like; what is no page says so to everybody.
OPEN = {"/ops/sign-in", "/ops/static/<path:filename>", "/ops/<path:unknown>"}
FOR_EVERYBODY = {"/ops/sign-out"}
FOR_ADMINS = "/ops/keys"


def addresses(app: Flask, method: str) -> Iterator[str]:
    """All that are closed, each with something that is not there in place of what it is about."""
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/ops") and rule.rule not in OPEN and method in (rule.methods or ()):
            yield re.sub(r"<\w+>", "nothing", re.sub(r"<uuid:\w+>", str(uuid4()), rule.rule))


def test_a_stranger_reads_nothing(app: Flask, client: FlaskClient) -> None:
    answers = {address: client.get(address).status_code for address in addresses(app, "GET")}

    assert "/ops/audit" in answers
    assert answers == dict.fromkeys(answers, 401)


def test_a_stranger_does_nothing(app: Flask, client: FlaskClient) -> None:
    answers = {address: client.post(address).status_code for address in addresses(app, "POST")}

    assert "/ops/jobs/preview" in answers
    assert answers == dict.fromkeys(answers, 401)


def test_no_form_does_anything_without_its_token(app: Flask, admin: Visitor) -> None:
    answers = {address: admin.client.post(address).status_code for address in addresses(app, "POST")}

    assert answers == dict.fromkeys(answers, 403)


def test_a_viewer_does_nothing_but_leave(app: Flask, viewer: Visitor) -> None:
    forms = set(addresses(app, "POST")) - FOR_EVERYBODY

    answers = {address: viewer.post(address).status_code for address in forms}

    assert answers == dict.fromkeys(answers, 403)


def test_keys_are_for_admins_and_all_else_for_operators_too(
    app: Flask, visitor: Callable[[Role], Visitor]
) -> None:
    operator = visitor(Role.OPERATOR)
    forms = set(addresses(app, "POST")) - FOR_EVERYBODY

    refused = {address for address in forms if operator.post(address).status_code == 403}

    assert refused == {address for address in forms if address.startswith(FOR_ADMINS)}
