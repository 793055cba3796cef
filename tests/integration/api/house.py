"""The front end on real servers, as one caller meets it; and everybody else in the life of that caller's jobs."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from flask import Flask
from sqlalchemy import ColumnElement, select
from werkzeug.test import TestResponse

from api.app import create_app
from api.waiting import WaitingRoom
from core.bootstrap import Services, assemble
from core.orm import Image, Job
from core.settings import Settings
from core.states import JobState
from tests import builders
from tests.integration.api import lives
from tests.integration.api.lives import Owner
from tests.stack import until

GENERATIONS = "/v1/images/generations"
BODY = {"model": "dall-e-2", "prompt": "a fox", "size": "256x256"}


@dataclass(frozen=True, kw_only=True)
class House:
    app: Flask
    services: Services
    owner: Owner
    room: WaitingRoom
    opened: ExitStack

    @classmethod
    def open(cls, settings: Settings, room: WaitingRoom, opened: ExitStack) -> "House":
        """For a caller with a key of its own; `opened` closes it."""
        services = opened.enter_context(closing(assemble(settings)))
        builders.register(services)
        app, owner = create_app(services, room), lives.make_owner(services)
        return cls(app=app, services=services, owner=owner, room=room, opened=opened)

    def changed(self, **settings: Any) -> "House":
        """The same for the same caller, where some settings differ."""
        services = self.opened.enter_context(closing(assemble(replace(self.services.settings, **settings))))
        return replace(self, services=services, app=create_app(services, self.room))

    def limited(self, **limits: Any) -> "House":
        """The same for another caller, who may less."""
        key, caller = builders.make_caller(self.services, **limits)
        return replace(self, owner=Owner(caller, {"Authorization": f"Bearer {key}"}))

    def ask(self, *, headers: dict[str, str] | None = None, **changes: Any) -> TestResponse:
        headers = {**self.owner.headers, **(headers or {})}
        return self.app.test_client().post(GENERATIONS, json={**BODY, **changes}, headers=headers)

    def send(self, body: str) -> TestResponse:
        client = self.app.test_client()
        return client.post(GENERATIONS, data=body, content_type="application/json", headers=self.owner.headers)

    def call(self, url: str, method: str = "GET", **headers: str) -> TestResponse:
        return self.app.test_client().open(url, method=method, headers={**self.owner.headers, **headers})

    def record(self, **headers: str) -> UUID:
        """A job that nobody waits for."""
        response = self.ask(headers={"Prefer": "respond-async", **headers})
        assert response.status_code == 202
        return UUID(response.headers["Location"].rpartition("/")[2])

    def finished(self) -> str:
        """The name of a stored picture."""
        claim = builders.claim(self.services, self.record())
        lives.land(self.services, claim, 0)
        lives.complete(self.services, claim)
        with self.services.database.transaction() as session:
            return session.scalars(select(Image.name).where(Image.job_id == claim.job_id)).one()

    def while_asked(self, act: Callable[[UUID], object], **changes: Any) -> TestResponse:
        """The answer to a call whose job something happens to."""
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(self.ask, **changes)
            until(self.admitted, "a job that a worker may take up", within=20)
            [job_id] = self.admitted()
            act(job_id)
            self.services.notifier.announce(job_id)
            return answer.result()

    def job_ids(self, *conditions: ColumnElement[bool]) -> list[UUID]:
        with self.services.database.transaction() as session:
            return list(session.scalars(select(Job.id).where(Job.key_id == self.owner.key_id, *conditions)))

    def admitted(self) -> list[UUID]:
        """Jobs that wait in no queue: that is over a moment after they were recorded, in the next transaction."""
        return self.job_ids(Job.state != JobState.QUEUED)
