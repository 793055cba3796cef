import json
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import islice
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

import pytest
import requests
from flask.testing import FlaskClient

from api import job_events
from core import cancellation
from core.bootstrap import Services
from core.errors import FailureKind
from tests import builders
from tests.integration.api import lives
from tests.integration.api.envelope import error_of
from tests.integration.api.lives import Owner
from tests.stack import Stack, until

READ_SECONDS = 20
# A connection that is closed with this is reset.
NO_LINGER = struct.pack("ii", 1, 0)


class Told(NamedTuple):
    event: str
    id: str
    data: dict[str, Any]


class Stream:
    """A follower's end of a stream."""

    def __init__(self, response: requests.Response) -> None:
        self.response = response
        self._lines = response.iter_lines(chunk_size=1, decode_unicode=True)

    def __iter__(self) -> Iterator[Told]:
        fields: dict[str, str] = {}
        for line in self._lines:
            name, _, value = line.partition(": ")
            fields[name] = value
            if not line and "event" in fields:
                yield Told(fields["event"], fields["id"], json.loads(fields["data"]))
                fields.clear()

    def read(self, count: int) -> list[Told]:
        return list(islice(self, count))


Follow = Callable[..., Stream]


@pytest.fixture(scope="module")
def front(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The real HTTP process; each test has keys of its own."""
    with Stack(tmp_path_factory.mktemp("front"), environment, key="unused") as stack:
        stack.start("api")
        yield stack


@pytest.fixture
def follow(front: Stack, owner: Owner) -> Iterator[Follow]:
    with ExitStack() as streams:

        def follow(job_id: UUID, last_event_id: str = "") -> Stream:
            headers = {**owner.headers, **({"Last-Event-ID": last_event_id} if last_event_id else {})}
            address = f"{front.url}/v1/images/jobs/{job_id}/events"
            response = requests.get(address, headers=headers, stream=True, timeout=READ_SECONDS)
            return Stream(streams.enter_context(response))

        yield follow


def finish(services: Services, job_id: UUID, *, n: int = 1) -> None:
    claim = lives.start(services, job_id)
    lives.land(services, claim, *range(n))
    lives.complete(services, claim)


def heads(told: list[Told]) -> list[tuple[str, Any]]:
    """Each event with what it is about."""
    about = {"state": "status", "position": "queue_position", "picture": "index", "progress": "progress"}
    return [(event, data[about.get(event, "status")]) for event, _, data in told]


def test_a_stream_follows_a_job_to_its_end_and_ends(
    front: Stack, services: Services, owner: Owner, follow: Follow
) -> None:
    job_id = lives.begin(services, owner, n=2)
    stream = follow(job_id)
    assert heads(stream.read(2)) == [("state", "queued"), ("position", 1)]

    claim = lives.start(services, job_id)
    assert heads(stream.read(1)) == [("state", "in_progress")]
    lives.land(services, claim, 1)
    first, progress = stream.read(2)
    lives.land(services, claim, 0)
    lives.complete(services, claim)
    rest = list(stream)

    assert heads([first, progress]) == [("picture", 1), ("progress", 50)]
    assert heads(rest) == [("picture", 0), ("progress", 100), ("completed", "completed")]
    job = requests.get(f"{front.url}/v1/images/jobs/{job_id}", headers=owner.headers, timeout=10).json()
    assert rest[-1].data == job
    assert [rest[0].data["url"], first.data["url"]] == [item["url"] for item in job["data"]]


def test_a_stream_is_neither_kept_nor_held_up_on_its_way(services: Services, owner: Owner, follow: Follow) -> None:
    response = follow(lives.begin(services, owner)).response

    assert response.headers["Content-Type"].startswith("text/event-stream")
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Accel-Buffering"] == "no"
    assert next(response.iter_content(chunk_size=None)).startswith(b"retry: 2000\n\n")


def test_a_settled_job_is_told_from_its_beginning(services: Services, owner: Owner, follow: Follow) -> None:
    job_id = lives.begin(services, owner, n=2)
    finish(services, job_id, n=2)

    assert heads(list(follow(job_id))) == [
        ("state", "queued"),
        ("state", "in_progress"),
        ("picture", 0),
        ("picture", 1),
        ("progress", 100),
        ("completed", "completed"),
    ]


def test_a_place_in_the_queue_is_told_as_it_changes(services: Services, owner: Owner, follow: Follow) -> None:
    ahead = lives.begin(services, lives.make_owner(services))
    stream = follow(lives.begin(services, owner))
    assert heads(stream.read(2)) == [("state", "queued"), ("position", 2)]

    cancellation.cancel(services.database, services.notifier, ahead)

    assert heads(stream.read(1)) == [("position", 1)]


def test_another_attempt_is_told(services: Services, owner: Owner, follow: Follow) -> None:
    job_id = lives.begin(services, owner)
    stream = follow(job_id)
    stream.read(2)

    lives.put_off(services, lives.start(services, job_id))
    assert heads(stream.read(3)) == [("state", "in_progress"), ("state", "queued"), ("position", 1)]

    lives.start(services, job_id)
    (again,) = stream.read(1)
    assert (again.event, again.data["status"], again.data["attempt"]) == ("state", "in_progress", 2)


def test_a_failed_job_ends_with_its_error_after_the_pictures_that_it_has(
    services: Services, owner: Owner, follow: Follow
) -> None:
    claim = lives.start(services, lives.begin(services, owner, n=2))
    stream = follow(claim.job_id)
    lives.land(services, claim, 0)
    lives.fail(services, claim, FailureKind.UNAVAILABLE)

    told = list(stream)

    assert heads(told)[-3:] == [("picture", 0), ("progress", 50), ("failed", "failed")]
    assert told[-1].data["error"]["code"] == "provider_unavailable"


def test_a_cancelled_job_ends_its_streams(front: Stack, services: Services, owner: Owner, follow: Follow) -> None:
    job_id = lives.begin(services, owner)
    stream = follow(job_id)
    stream.read(2)

    address = f"{front.url}/v1/images/jobs/{job_id}/cancel"
    assert requests.post(address, headers=owner.headers, timeout=10).status_code == 200

    assert heads(list(stream)) == [("cancelled", "cancelled")]


def test_whoever_comes_back_is_told_the_rest_and_nothing_twice(
    services: Services, owner: Owner, follow: Follow
) -> None:
    job_id = lives.begin(services, owner, n=2)
    lives.put_off(services, lives.start(services, job_id))
    finish(services, job_id, n=2)
    told = list(follow(job_id))

    for number, last in enumerate(told[:-1], 1):
        assert list(follow(job_id, last.id)) == told[number:]


def test_what_happened_while_nobody_followed_is_told(services: Services, owner: Owner, follow: Follow) -> None:
    claim = lives.start(services, lives.begin(services, owner, n=3))
    lives.land(services, claim, 2)
    stream = follow(claim.job_id)
    *_, last = stream.read(4)
    stream.response.close()

    lives.land(services, claim, 0, 1)
    lives.complete(services, claim)

    assert heads([last]) == [("progress", 33)]
    assert heads(list(follow(claim.job_id, last.id))) == [
        ("picture", 0),
        ("picture", 1),
        ("progress", 100),
        ("completed", "completed"),
    ]


def test_a_browser_that_was_told_the_end_is_told_not_to_come_back(
    services: Services, owner: Owner, follow: Follow
) -> None:
    job_id = lives.begin(services, owner)
    finish(services, job_id)
    *_, end = follow(job_id)

    again = follow(job_id, end.id).response

    assert (again.status_code, again.content) == (204, b"")


@pytest.mark.parametrize("last_event_id", ["x", "1.2.3", "1.0.0.0.0", "-1.0.0.0", "9.0.0.0", "1.4.0.0", "²"])
def test_an_id_that_is_none_of_the_jobs_is_refused(
    client: FlaskClient, services: Services, owner: Owner, last_event_id: str
) -> None:
    job_id = lives.begin(services, owner, n=2)

    headers = {**owner.headers, "Last-Event-ID": last_event_id.encode().decode("latin-1")}
    response = client.get(f"/v1/images/jobs/{job_id}/events", headers=headers)

    assert (response.status_code, error_of(response)["param"]) == (400, "Last-Event-ID")


def test_more_streams_than_there_are_connections_are_told_the_end(
    services: Services, owner: Owner, follow: Follow
) -> None:
    job_id = lives.begin(services, owner)
    streams = [follow(job_id) for _ in range(50)]

    finish(services, job_id)

    assert {list(stream)[-1].event for stream in streams} == {"completed"}


def test_a_follower_that_goes_away_leaves_nothing_behind(front: Stack, services: Services, owner: Owner) -> None:
    claim = lives.start(services, lives.begin(services, owner, n=2))
    address = urlsplit(front.url)
    with socket.create_connection((address.hostname, address.port), timeout=READ_SECONDS) as gone:
        lines = [f"GET /v1/images/jobs/{claim.job_id}/events HTTP/1.1", f"Host: {address.netloc}"]
        lines += [f"{name}: {value}" for name, value in owner.headers.items()]
        gone.sendall("\r\n".join([*lines, "", ""]).encode())
        until(lambda: b"in_progress" in gone.recv(65536), "the stream has begun")
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)

    lives.land(services, claim, 0)

    ended = f'"job_id": "{claim.job_id}", "settled": false'
    until(lambda: ended in front.log("api"), "the stream is over", within=READ_SECONDS)


def test_a_quiet_stream_says_that_it_is_still_there(
    client: FlaskClient, services: Services, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_events, "HEARTBEAT_SECONDS", 0.05)
    claim = lives.start(services, lives.begin(services, owner))

    with client.get(f"/v1/images/jobs/{claim.job_id}/events", headers=owner.headers) as response:
        said = response.iter_encoded()
        until(lambda: next(said).startswith(b": "), "a comment", within=5)


def test_a_call_whose_client_went_away_is_found_by_its_key(front: Stack, services: Services, owner: Owner) -> None:
    asked = {"model": "dall-e-2", "prompt": "a lighthouse nobody waited for", "size": "256x256"}
    with pytest.raises(requests.Timeout):
        requests.post(f"{front.url}/v1/images/generations", json=asked, headers=owner.headers, timeout=0.5)

    def jobs() -> list[dict[str, Any]]:
        page = requests.get(f"{front.url}/v1/images/jobs", headers=owner.headers, timeout=10).json()
        return [job for job in page["data"] if job["request"]["prompt"] == asked["prompt"]]

    until(jobs, "the job is found", within=READ_SECONDS)
    (found,) = jobs()
    assert (found["door"], found["status"]) == ("sync", "queued")
    claim = builders.claim(services, UUID(found["id"]))
    lives.land(services, claim, 0)
    lives.complete(services, claim)
    ((item,),) = [job["data"] for job in jobs()]
    assert requests.get(item["url"], timeout=10).content == b"png 0"
