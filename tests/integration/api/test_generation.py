import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from itertools import count
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from api.app import create_app
from api.errors import FAILURES
from api.waiting import WaitingRoom
from core import ledger, results
from core.bootstrap import Services, assemble
from core.errors import Failure, FailureKind
from core.images import Picture
from core.ledger import Claim
from core.orm import Job
from core.settings import Settings
from core.states import JobState
from tests import builders
from tests.integration.api.envelope import error_of

URL = "/v1/images/generations"
BODY = {"model": "dall-e-2", "prompt": "a fox in the snow", "size": "256x256"}
REVISED = "A red fox stands in deep snow"
Play = Callable[[Callable[[Services, Claim], None]], Future[UUID]]
_bytes = count()


@pytest.fixture
def services(settings: Settings) -> Iterator[Services]:
    with closing(
        assemble(replace(settings, wait_seconds=20.0, public_url="https://pictures.example"))
    ) as services:
        builders.register(services)
        yield services


@pytest.fixture
def client(services: Services, room: WaitingRoom) -> FlaskClient:
    return create_app(services, room).test_client()


@pytest.fixture
def play(services: Services) -> Iterator[Play]:
    """Plays the worker of the next job: takes its message, claims it, and does as told, in a thread of its own."""
    queue = Redis.from_url(services.settings.redis_url)

    def work(act: Callable[[Services, Claim], None]) -> UUID:
        taken = queue.brpop(["openai"], timeout=20)
        assert isinstance(taken, list | tuple)
        (job_id,), *_ = json.loads(b64decode(json.loads(taken[1])["body"]))
        act(services, builders.claim(services, UUID(job_id)))
        return UUID(job_id)

    with queue, ThreadPoolExecutor(1) as worker:
        yield lambda act: worker.submit(work, act)


def deliver(services: Services, claim: Claim) -> None:
    """Store as many pictures as were asked for, settle the job, and tell nobody."""
    pictures = []
    for position in range(claim.request.n):
        picture = Picture(position=position, png=b"png %d" % next(_bytes), revised_prompt=REVISED)
        services.storage.put(picture.object_key(claim), picture.png)
        pictures.append(picture)
    with services.database.transaction() as session:
        for picture in pictures:
            builders.record(session, claim, picture, picture.object_key(claim))
        assert builders.succeed(session, claim)


def succeed(services: Services, claim: Claim) -> None:
    deliver(services, claim)
    services.notifier.announce(claim.job_id)


def fail_as(failure: Failure) -> Callable[[Services, Claim], None]:
    def fail(services: Services, claim: Claim) -> None:
        settle(services, claim, lambda session: ledger.fail(session, claim, failure))

    return fail


def cancel(services: Services, claim: Claim) -> None:
    settle(services, claim, lambda session: ledger.cancel(session, claim.job_id))


def settle(services: Services, claim: Claim, move: Callable[[Session], bool]) -> None:
    with services.database.transaction() as session:
        assert move(session)
    services.notifier.announce(claim.job_id)


def stored_bytes(services: Services, job_id: UUID) -> list[bytes]:
    with services.database.transaction() as session:
        result = results.of_jobs(session, [job_id])[job_id]
    return [services.storage.read(image.object_key) for image in result.images]


def path_of(address: str) -> str:
    assert address.startswith("https://pictures.example/files/img-")
    return address.removeprefix("https://pictures.example")


def ask(client: FlaskClient, headers: dict[str, str], **changes: object) -> TestResponse:
    return client.post(URL, json={**BODY, **changes}, headers=headers)


def test_addresses_are_answered_that_open(
    client: FlaskClient, services: Services, authorized: dict[str, str], play: Play
) -> None:
    played = play(succeed)

    response = ask(client, authorized, n=3)

    assert response.status_code == 200
    assert set(response.get_json()) == {"created", "data"}
    assert [set(item) for item in response.get_json()["data"]] == [{"url"}] * 3
    opened = [client.get(path_of(item["url"])).data for item in response.get_json()["data"]]
    assert opened == stored_bytes(services, played.result())


def test_headers_name_the_model_and_what_was_not_kept_to(
    client: FlaskClient, authorized: dict[str, str], play: Play
) -> None:
    play(succeed)

    response = ask(client, authorized, user="u-1")

    assert response.headers["darkroom-model"] == "dall-e-2"
    assert response.headers["darkroom-dropped-parameters"] == "user"


def test_pictures_are_answered_as_base64_where_asked_for(
    client: FlaskClient, services: Services, authorized: dict[str, str], play: Play
) -> None:
    played = play(succeed)

    response = ask(client, authorized, n=2, response_format="b64_json")

    expected = [{"b64_json": b64encode(png).decode()} for png in stored_bytes(services, played.result())]
    assert response.get_json()["data"] == expected


def test_created_is_the_jobs_own_second_as_an_integer(
    client: FlaskClient, services: Services, authorized: dict[str, str], play: Play
) -> None:
    played = play(succeed)

    created = ask(client, authorized).get_json()["created"]

    assert type(created) is int
    assert created == int(builders.job_of(services, played.result()).created_at.timestamp())


@pytest.mark.parametrize("response_format", ["url", "b64_json"])
def test_dall_e_3_tells_the_prompt_that_it_made_of_it(
    client: FlaskClient, authorized: dict[str, str], play: Play, response_format: str
) -> None:
    play(succeed)

    response = ask(client, authorized, model="dall-e-3", size="1024x1024", response_format=response_format)

    (item,) = response.get_json()["data"]
    assert set(item) == {response_format, "revised_prompt"}
    assert item["revised_prompt"] == REVISED


@pytest.mark.parametrize("kind", FailureKind)
def test_a_failure_is_told_once_and_not_to_be_repeated(
    client: FlaskClient, authorized: dict[str, str], play: Play, kind: FailureKind
) -> None:
    play(fail_as(Failure(kind, f"It was {kind}.")))

    response = ask(client, authorized)

    answer, error = FAILURES[kind], error_of(response)
    assert response.status_code == answer.status
    assert (error["message"], error["type"], error["code"]) == (f"It was {kind}.", answer.type, answer.code)
    assert response.headers["x-should-retry"] == "false"


def test_a_refused_prompt_is_the_callers_fault(
    client: FlaskClient, authorized: dict[str, str], play: Play
) -> None:
    play(fail_as(Failure(FailureKind.MODERATED, "Your request was rejected.")))

    response = ask(client, authorized)

    assert (response.status_code, error_of(response)["code"]) == (400, "content_policy_violation")


def test_a_cancelled_job_is_a_conflict_and_not_to_be_repeated(
    client: FlaskClient, authorized: dict[str, str], play: Play
) -> None:
    play(cancel)

    response = ask(client, authorized)

    assert (response.status_code, error_of(response)["code"]) == (409, "job_cancelled")
    assert response.headers["x-should-retry"] == "false"


def test_a_job_that_nobody_announces_is_answered_by_the_slow_look(
    client: FlaskClient, services: Services, authorized: dict[str, str], play: Play
) -> None:
    played = play(deliver)

    response = ask(client, authorized)

    assert response.status_code == 200
    assert builders.state_of(services, played.result()) is JobState.COMPLETED


def test_a_job_that_outlives_the_wait_goes_on_without_its_caller(
    settings: Settings, services: Services, authorized: dict[str, str], play: Play
) -> None:
    with closing(assemble(replace(settings, wait_seconds=0.1))) as hasty:
        client = create_app(hasty, WaitingRoom(hasty.database, hasty.notifier)).test_client()
        response = ask(client, authorized)

    assert (response.status_code, error_of(response)["code"]) == (504, "still_running")
    assert response.headers["x-should-retry"] == "false"
    assert builders.state_of(services, play(succeed).result()) is JobState.COMPLETED


def test_a_paid_picture_that_cannot_be_read_back_is_not_to_be_bought_again(
    client: FlaskClient, authorized: dict[str, str], play: Play
) -> None:
    def succeed_and_lose(services: Services, claim: Claim) -> None:
        picture = Picture(position=0, png=b"png", revised_prompt=None)
        with services.database.transaction() as session:
            builders.record(session, claim, picture, "never/stored.png")
        settle(services, claim, lambda session: builders.succeed(session, claim))

    play(succeed_and_lose)

    response = ask(client, authorized, response_format="b64_json")

    assert (response.status_code, error_of(response)["code"]) == (503, "store_unavailable")
    assert response.headers["x-should-retry"] == "false"


def test_a_job_carries_the_request_id_of_its_answer(
    client: FlaskClient, services: Services, authorized: dict[str, str], play: Play
) -> None:
    played = play(succeed)

    response = ask(client, authorized)

    job = builders.job_of(services, played.result())
    assert job.request_id == response.headers["x-request-id"]


def test_a_request_that_is_refused_leaves_no_job(
    client: FlaskClient, services: Services, authorized: dict[str, str]
) -> None:
    with services.database.transaction() as session:
        before = session.scalar(select(func.count(Job.id)))

    assert ask(client, authorized, size="32x32").status_code == 400

    with services.database.transaction() as session:
        assert session.scalar(select(func.count(Job.id))) == before


def test_neither_the_key_nor_the_prompt_is_logged(
    client: FlaskClient, authorized: dict[str, str], play: Play, caplog: pytest.LogCaptureFixture
) -> None:
    play(succeed)

    with capture_logs() as logs, caplog.at_level("DEBUG"):
        assert ask(client, authorized).status_code == 200
        assert ask(client, {"Authorization": authorized["Authorization"][:-1]}).status_code == 401

    logged = str(logs) + caplog.text
    assert "http.answered" in logged
    assert authorized["Authorization"].removeprefix("Bearer ")[:-1] not in logged
    assert str(BODY["prompt"]) not in logged


def test_a_priority_goes_with_the_job(client: FlaskClient, services: Services) -> None:
    key, _ = builders.make_caller(services)
    headers = {"Authorization": f"Bearer {key}", "Prefer": "respond-async"}

    answer = client.post(URL, json={**BODY, "priority": 7}, headers=headers)

    assert builders.job_of(services, UUID(answer.get_json()["id"])).priority == 7
