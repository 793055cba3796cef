"""A submitter of batches at the front end, with a clerk at hand, and whoever makes the pictures."""

import json
from base64 import b64encode
from dataclasses import dataclass
from threading import Event
from typing import Any, Final
from uuid import UUID

from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from api.batches.clerk import Clerk
from core import files
from core.bootstrap import Services
from core.errors import FailureKind
from core.keys import Caller
from core.orm import Batch, File, Job
from core.states import JobState
from tests import builders
from tests.integration.api import lives

ENDPOINT: Final = "/v1/images/generations"
BATCHES = "/v1/batches"
PICTURE = b64encode(b"png 0").decode()


def line(custom_id: str = "a", **changes: Any) -> dict[str, Any]:
    body = {"model": "dall-e-2", "prompt": f"a fox named {custom_id}", "size": "256x256"}
    return {"custom_id": custom_id, "method": "POST", "url": ENDPOINT, "body": {**body, **changes}}


def jsonl(*lines: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in lines)


@dataclass(frozen=True)
class Submitter:
    """One caller of batches."""

    services: Services
    client: FlaskClient
    caller: Caller
    headers: dict[str, str]
    clerk: Clerk

    @classmethod
    def make(cls, services: Services, client: FlaskClient, **limits: Any) -> "Submitter":
        key, caller = builders.make_caller(services, **limits)
        builders.register(services)
        clerk = Clerk(services, Event())
        return cls(services, client, caller, {"Authorization": f"Bearer {key}"}, clerk)

    def file(self, body: bytes, purpose: str = "batch") -> str:
        """As it is once it was uploaded."""
        file_id = files.new_id()
        key = files.object_key(file_id)
        self.services.storage.put_pieces(key, [body])
        file = File(
            id=file_id,
            key_id=self.caller.key_id,
            purpose=purpose,
            filename="prompts.jsonl",
            bytes=len(body),
            object_key=key,
        )
        with self.services.database.transaction() as session:
            files.record(session, file, lifetime=None)
        return file_id

    def ask(self, file_id: str, *, headers: dict[str, str] | None = None, **changes: Any) -> TestResponse:
        body = {"input_file_id": file_id, "endpoint": ENDPOINT, "completion_window": "24h", **changes}
        given = {name: value for name, value in body.items() if value is not ...}
        return self.client.post(BATCHES, json=given, headers={**self.headers, **(headers or {})})

    def submit(self, body: bytes, **changes: Any) -> str:
        """The id of a batch that nobody has looked at yet."""
        response = self.ask(self.file(body), **changes)
        assert response.status_code == 200, response.text
        batch_id: str = response.get_json()["id"]
        return batch_id

    def begun(self, *lines: dict[str, Any], **changes: Any) -> str:
        """The id of a batch whose lines are jobs."""
        batch_id = self.submit(jsonl(*lines), **changes)
        self.clerk.look()
        assert self.batch(batch_id)["status"] == "in_progress"
        return batch_id

    def call(self, path: str, method: str = "GET", **query: Any) -> TestResponse:
        return self.client.open(f"{BATCHES}/{path}", method=method, query_string=query, headers=self.headers)

    def batch(self, batch_id: str) -> dict[str, Any]:
        response = self.call(batch_id)
        assert response.status_code == 200, response.text
        shown: dict[str, Any] = response.get_json()
        return shown

    def results(self, batch_id: str, **query: Any) -> dict[str, Any]:
        page: dict[str, Any] = self.call(f"{batch_id}/results", **query).get_json()
        return page

    def content(self, file_id: str) -> list[dict[str, Any]]:
        response = self.client.get(f"/v1/files/{file_id}/content", headers=self.headers)
        assert response.status_code == 200, response.text
        return [json.loads(text) for text in response.data.splitlines()]

    def jobs(self, batch_id: str) -> list[Job]:
        with self.services.database.transaction() as session:
            return list(session.scalars(select(Job).where(Job.batch_id == batch_id).order_by(Job.line)))

    def job(self, batch_id: str, custom_id: str) -> UUID:
        return next(job.id for job in self.jobs(batch_id) if job.custom_id == custom_id)

    def complete(self, batch_id: str, *custom_ids: str) -> None:
        """Workers make the pictures of these lines, or of all."""
        for job in self.jobs(batch_id):
            if job.state is JobState.DISPATCHED and job.custom_id in (custom_ids or {job.custom_id}):
                claim = builders.claim(self.services, job.id)
                lives.land(self.services, claim, *range(claim.request.n))
                lives.complete(self.services, claim)

    def fail(self, batch_id: str, custom_id: str, kind: FailureKind = FailureKind.MODERATED) -> None:
        claim = builders.claim(self.services, self.job(batch_id, custom_id))
        lives.fail(self.services, claim, kind)

    def change(self, batch_id: str, **values: Any) -> None:
        with self.services.database.transaction() as session:
            for name, value in values.items():
                setattr(session.get_one(Batch, batch_id), name, value)
