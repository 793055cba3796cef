"""A whole Darkroom, and users who look at it through a real browser."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from core import admission, users
from core import settings as settings_module
from core.bootstrap import Services, assemble
from core.keys import Caller
from core.states import Role
from tests import builders
from tests.browser import chromium
from tests.stack import Stack

PASSWORD = "correct horse battery staple"
PATIENCE_MILLISECONDS = 20_000

expect.set_options(timeout=PATIENCE_MILLISECONDS)


@dataclass(frozen=True)
class House:
    """Processes of a Darkroom, and the test's own way to its ledger."""

    stack: Stack
    services: Services
    caller: Caller


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = chromium.found()
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium: ./run test installs it where it may")
        pytest.skip("no Chromium on this machine")
    with chromium.browser(path) as browser:
        yield browser


@pytest.fixture(scope="module")
def house(
    environments: Callable[[], AbstractContextManager[dict[str, str]]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[House]:
    """One for all these tests: what each does is its own jobs' and its own users'."""
    folder: Path = tmp_path_factory.mktemp("house")
    with environments() as environment, closing(assemble(settings_module.read(environment))) as services:
        key, caller = builders.make_caller(services)
        builders.register(services)
        with services.database.transaction() as session:
            for role in Role:
                users.create(session, role.value, role, PASSWORD)
        with Stack(folder, environment, key=key) as stack:
            stack.start("simulator", "api", "worker", "scheduler")
            yield House(stack, services, caller)


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


@pytest.fixture
def held_back(house: House) -> HeldBack:
    return HeldBack(house)


@pytest.fixture(autouse=True)
def _resumed(held_back: HeldBack) -> None:
    held_back.resume()


class Visitor:
    """A user in front of a browser; what goes wrong in a page is collected."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.page: Page = context.new_page()
        self.address = address
        self.faults: list[str] = []
        self.page.set_default_timeout(PATIENCE_MILLISECONDS)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", self._listen)

    def _listen(self, message: Any) -> None:
        if message.type == "error" and "Content Security Policy" in message.text:
            self.faults.append(message.text)

    def visit(self, path: str) -> Page:
        self.page.goto(f"{self.address}{path}")
        return self.page

    def sign_in(self, name: str) -> Page:
        page = self.visit("/ops/sign-in")
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        return page


@pytest.fixture(scope="module")
def cookies(browser: Browser, house: House) -> dict[Role, Any]:
    """Each role signs in once: more would be taken for guessing."""
    states: dict[Role, Any] = {}
    for role in Role:
        context = browser.new_context()
        Visitor(context, house.stack.url).sign_in(role.value)
        states[role] = context.storage_state()
        context.close()
    return states


@pytest.fixture
def visitor(browser: Browser, house: House, cookies: dict[Role, Any]) -> Iterator[Callable[[Role], Visitor]]:
    opened: list[tuple[BrowserContext, Visitor]] = []

    def open_for(role: Role) -> Visitor:
        context = browser.new_context(storage_state=cookies[role], viewport={"width": 1440, "height": 900})
        opened.append((context, Visitor(context, house.stack.url)))
        return opened[-1][1]

    yield open_for
    for context, visitor in opened:
        context.close()
        assert visitor.faults == []


@pytest.fixture
def operator(visitor: Callable[[Role], Visitor]) -> Visitor:
    return visitor(Role.OPERATOR)


@pytest.fixture
def admin(visitor: Callable[[Role], Visitor]) -> Visitor:
    return visitor(Role.ADMIN)


@pytest.fixture
def viewer(visitor: Callable[[Role], Visitor]) -> Visitor:
    return visitor(Role.VIEWER)
