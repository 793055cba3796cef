"""Plays everybody in the life of a job but its owner, by the same moves as the product."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from core import admission, job_ids, ledger, submissions
from core.bootstrap import Services
from core.database import run
from core.errors import Failure, FailureKind
from core.generation import ResponseFormat
from core.images import Picture
from core.keys import Caller
from core.ledger import Claim
from tests import builders

JOBS = "/v1/images/jobs"
Get = Callable[..., dict[str, Any]]

REVISED = "A lighthouse stands on a cliff"


@dataclass(frozen=True)
class Owner:
    """A caller, and how it shows itself."""

    caller: Caller
    headers: dict[str, str]

    @property
    def key_id(self) -> UUID:
        return self.caller.key_id


def make_owner(services: Services) -> Owner:
    key, caller = builders.make_caller(services)
    return Owner(caller, {"Authorization": f"Bearer {key}"})


def begin(
    services: Services,
    owner: Owner,
    *,
    n: int = 1,
    model: str = "dall-e-2",
    response_format: ResponseFormat = ResponseFormat.URL,
    **changes: Any,
) -> UUID:
    """A queued job of this owner."""
    job_id, offered = job_ids.new_job_id(), services.catalog.model(model)
    assert offered
    asked = replace(
        builders.make_request(n=n, size=offered.sizes[0]), model=model, response_format=response_format
    )
    submission = builders.make_submission(services, job_id, owner.caller)
    with services.database.transaction() as session:
        assert run(session, submissions.recording(replace(submission, request=asked, model=offered, **changes)))
    return job_id


def let_in(services: Services) -> list[UUID]:
    """Empties the queue."""
    return admission.admit(services.database, "openai")


def start(services: Services, job_id: UUID) -> Claim:
    """A worker takes it up."""
    assert job_id in let_in(services)
    return builders.claim(services, job_id)


def land(services: Services, claim: Claim, *positions: int) -> None:
    """Pictures are stored, one after the other."""
    for position in positions:
        picture = Picture(position=position, png=b"png %d" % position, revised_prompt=REVISED)
        services.storage.put(picture.object_key(claim), picture.png)
        with services.database.transaction() as session:
            builders.record(session, claim, picture, picture.object_key(claim))


def complete(services: Services, claim: Claim) -> None:
    with services.database.transaction() as session:
        assert builders.succeed(session, claim)


def fail(services: Services, claim: Claim, kind: FailureKind = FailureKind.MODERATED) -> None:
    with services.database.transaction() as session:
        assert ledger.fail(session, claim, Failure(kind, f"It was {kind}."))


def put_off(services: Services, claim: Claim) -> None:
    """An attempt fails; the next may begin at once."""
    failure = Failure(FailureKind.UNAVAILABLE, "Nobody answered.")
    with services.database.transaction() as session:
        assert ledger.retry_later(session, claim, failure, delay=timedelta(0), counts=True)
