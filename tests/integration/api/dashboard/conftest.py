"""Users in front of the dashboard, in the test's own process, on real servers."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from core import audit, users
from core.bootstrap import Services
from core.orm import AuditEntry
from core.states import Role

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class Visitor:
    """A browser with a user in front of it, who is signed in."""

    client: FlaskClient
    name: str

    def get(self, address: str) -> str:
        """The text of a page, without its markup."""
        response = self.client.get(address)
        assert response.status_code == 200, (address, response.status, response.text)
        return words(response.text)

    def token(self) -> str:
        """What every form of this user's pages carries."""
        found = re.search(r'name="form_token" value="([^"]+)"', self.client.get("/ops/audit").text)
        assert found
        return found[1]

    def post(self, address: str, fields: Mapping[str, object] | None = None) -> TestResponse:
        """Send a form as a page of ours does."""
        return self.client.post(address, data={"form_token": self.token(), **(fields or {})})


def words(page: str) -> str:
    """What a page says to those who read it."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


@pytest.fixture
def visitor(app: Flask, services: Services, request: pytest.FixtureRequest) -> Callable[[Role], Visitor]:
    def sign_in(role: Role) -> Visitor:
        name = f"{role}-{request.node.name}"
        with services.database.transaction() as session:
            users.create(session, name, role, PASSWORD)
        client = app.test_client()
        response = client.post("/ops/sign-in", data={"name": name, "password": PASSWORD})
        assert response.status_code == 303, response.text
        return Visitor(client, name)

    return sign_in


@pytest.fixture
def viewer(visitor: Callable[[Role], Visitor]) -> Visitor:
    return visitor(Role.VIEWER)


@pytest.fixture
def operator(visitor: Callable[[Role], Visitor]) -> Visitor:
    return visitor(Role.OPERATOR)


@pytest.fixture
def admin(visitor: Callable[[Role], Visitor]) -> Visitor:
    return visitor(Role.ADMIN)


@pytest.fixture
def last_entry(services: Services) -> Callable[[], AuditEntry]:
    """What was done last."""

    def last() -> AuditEntry:
        with services.database.transaction() as session:
            return audit.page(session, limit=1)[0]

    return last
