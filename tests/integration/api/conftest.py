"""The HTTP front end in the test's own process, on real servers."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from psycopg import sql
from redis import Redis

from api.app import create_app
from api.waiting import WaitingRoom
from core.bootstrap import Services, assemble
from core.database import Database
from core.notifier import Notifier
from core.settings import Settings
from tests import builders
from tests.integration.api import lives
from tests.integration.api.batching import Submitter
from tests.integration.api.house import House
from tests.integration.api.lives import JOBS, Get, Owner
from tests.integration.api.metrics import Scrape, add_up, read


@pytest.fixture(scope="module")
def environment(servers: dict[str, Any], template: str) -> dict[str, str]:
    """One database a file, not one a test: nearly all tests of this folder only read."""
    server, _, _ = servers["environment"]["DATABASE_URL"].rpartition("/")
    name = f"api_{uuid4().hex}"
    with psycopg.connect(f"{server}/postgres".replace("+psycopg", ""), autocommit=True) as connection:
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
    with Redis.from_url(servers["environment"]["REDIS_URL"]) as redis:
        redis.flushdb()
    return {
        **servers["environment"],
        "DATABASE_URL": f"{server}/{name}",
        "OPENAI_API_KEY": "sk-test-upstream",
        "OPENAI_BASE_URL": "http://127.0.0.1:1/v1",
    }


@pytest.fixture
def app(services: Services) -> Flask:
    return create_app(services, WaitingRoom(services.database, services.notifier))


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def submitter(services: Services, client: FlaskClient) -> Submitter:
    """A caller of batches; nothing that another test left is before it."""
    lives.let_in(services)
    return Submitter.make(services, client)


@pytest.fixture
def authorized(services: Services) -> dict[str, str]:
    """The headers of a caller with a key in force."""
    key, _ = builders.make_caller(services)
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture(scope="module")
def room(environment: dict[str, str]) -> Iterator[WaitingRoom]:
    """Opened once, as by the product; like there, its listener ends with the process."""
    database = Database(environment["DATABASE_URL"])
    room = WaitingRoom(database, Notifier(environment["REDIS_URL"]))
    room.open()
    yield room
    database.close()


@pytest.fixture
def house(settings: Settings, room: WaitingRoom) -> Iterator[House]:
    with ExitStack() as opened:
        yield House.open(replace(settings, wait_seconds=20.0), room, opened)


@pytest.fixture
def client_with(settings: Settings) -> Iterator[Callable[..., FlaskClient]]:
    """Makes a client of an app whose settings differ, such as in the address of a server."""
    with ExitStack() as stack:

        def client_with(**changes: Any) -> FlaskClient:
            services = stack.enter_context(closing(assemble(replace(settings, **changes))))
            return create_app(services, WaitingRoom(services.database, services.notifier)).test_client()

        yield client_with


@pytest.fixture
def owner(services: Services) -> Owner:
    """A caller of jobs, while no job of anybody's waits in the queue."""
    builders.register(services)
    lives.let_in(services)
    return lives.make_owner(services)


@pytest.fixture
def get(client: FlaskClient, owner: Owner) -> Get:
    """Reads one of the owner's jobs by its id, or a list by its query."""

    def get(job_id: object = "", **query: Any) -> dict[str, Any]:
        address = f"{JOBS}/{job_id}" if job_id else JOBS
        response = client.get(address, query_string=query, headers=owner.headers)
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.get_json()
        return body

    return get


@pytest.fixture
def admin(services: Services) -> dict[str, str]:
    """The headers of a key that may read the figures of the whole house."""
    key, _ = builders.make_caller(services, admin=True)
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def scrape(services: Services, admin: dict[str, str]) -> Callable[..., Scrape]:
    """By a front end that was started this moment: it remembers nothing."""

    def scrape() -> Scrape:
        add_up(services)
        app = create_app(services, WaitingRoom(services.database, services.notifier))
        return read(app.test_client(), admin)

    return scrape
