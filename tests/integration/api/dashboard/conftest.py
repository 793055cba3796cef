"""Users in front of the dashboard, in the test's own process, on real servers."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from html import unescape
from itertools import count

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, update
from werkzeug.test import TestResponse

from api.app import create_app
from api.waiting import WaitingRoom
from core import audit, history, settings, users
from core.bootstrap import Services, assemble
from core.orm import AuditEntry, JobEvent
from core.states import Role
from core.users import NewSignIn
from tests import builders

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class Visitor:
    """A browser with a user in front of it, who is signed in."""

    client: FlaskClient
    name: str
    form_token: str

    def get(self, address: str) -> str:
        """The text of a page, without its markup."""
        response = self.client.get(address)
        assert response.status_code == 200, (address, response.status, response.text)
        return words(response.text)

    def post(self, address: str, fields: Mapping[str, object] | None = None) -> TestResponse:
        """Send a form as a page of ours does."""
        return self.client.post(address, data={"form_token": self.form_token, **(fields or {})})


def add_up(services: Services) -> None:
    """As the scheduler does, a moment later."""
    with services.database.transaction() as session:
        session.execute(update(JobEvent).values(at=JobEvent.at - timedelta(seconds=10)))
    with services.database.transaction() as session:
        history.roll_up(session)


def words(page: str) -> str:
    """What a page says to those who read it."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.replace("<wbr>", ""))).split())


@contextmanager
def statements(services: Services) -> Iterator[list[str]]:
    """All that the database is asked, but for who is signed in: that is looked up anew for each request."""
    asked: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        if "sign_ins" not in statement:
            asked.append(statement)

    event.listen(services.database.engine, "before_cursor_execute", note)
    yield asked
    event.remove(services.database.engine, "before_cursor_execute", note)


@pytest.fixture(scope="module")
def services(environment: dict[str, str]) -> Iterator[Services]:
    """One a file, like its database."""
    with closing(assemble(settings.read(environment))) as services:
        builders.register(services)
        yield services


Browse = Callable[[Flask], Visitor]


@pytest.fixture(scope="module")
def sign_in(services: Services) -> Callable[[Role], Browse]:
    """Makes a user of a role who is signed in, before whichever app."""
    numbers = count(1)

    def sign_in(role: Role) -> Browse:
        name = f"{role}-{next(numbers)}"
        with services.database.transaction() as session:
            signed_in = users.sign_in(session, users.create(session, name, role, PASSWORD), seconds=600)
        return lambda app: _visitor(app, name, signed_in)

    return sign_in


def _visitor(app: Flask, name: str, signed_in: NewSignIn) -> Visitor:
    client = app.test_client()
    client.set_cookie("ops_session", signed_in.token, path="/ops")
    return Visitor(client, name, signed_in.form_token)


@pytest.fixture(scope="module")
def staff(sign_in: Callable[[Role], Browse]) -> dict[Role, Browse]:
    """One user of each role a file: hashing passwords takes its time."""
    return {role: sign_in(role) for role in Role}


@pytest.fixture
def visitor(app: Flask, sign_in: Callable[[Role], Browse]) -> Callable[[Role], Visitor]:
    """Somebody new, for tests that nobody else is to be bothered by."""
    return lambda role: sign_in(role)(app)


@pytest.fixture
def viewer(app: Flask, staff: dict[Role, Browse]) -> Visitor:
    return staff[Role.VIEWER](app)


@pytest.fixture
def operator(app: Flask, staff: dict[Role, Browse]) -> Visitor:
    return staff[Role.OPERATOR](app)


@pytest.fixture
def admin(app: Flask, staff: dict[Role, Browse]) -> Visitor:
    return staff[Role.ADMIN](app)


@pytest.fixture
def uninitiated(services: Services, staff: dict[Role, Browse]) -> Visitor:
    """A viewer of a house that hides prompts and pictures from those."""
    secretive = replace(services, settings=replace(services.settings, hide_prompts=True))
    return staff[Role.VIEWER](create_app(secretive, WaitingRoom(secretive.database, secretive.notifier)))


@pytest.fixture
def last_entry(services: Services) -> Callable[[], AuditEntry]:
    """What was done last."""

    def last() -> AuditEntry:
        with services.database.transaction() as session:
            return audit.page(session, limit=1)[0]

    return last
