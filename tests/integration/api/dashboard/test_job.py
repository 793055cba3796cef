"""/ops/jobs/{id}: everything that is known of one job."""

import re
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, select

from core import calls, ledger
from core.bootstrap import Services
from core.database import run
from core.errors import Failure, FailureKind
from core.orm import AuditEntry, Delivery, Image
from core.states import CallOutcome, DeliveryState, JobState
from tests import builders
from tests.integration.api import lives
from tests.integration.api.dashboard.conftest import Visitor, words
from tests.integration.api.lives import Owner

MARKUP = "<script>alert(1)</script> & \N{HIRAGANA LETTER I}\N{HIRAGANA LETTER NU} 'so'"


def ask(services: Services, owner: Owner, prompt: str = "a fox", **received: object) -> UUID:
    """A queued job, as it came in."""
    job_id = lives.begin(services, owner, received=received)
    with services.database.transaction() as session:
        job = builders.job_of(services, job_id)
        job.request = {**job.request, "prompt": prompt}
        session.merge(job)
    return job_id


def finish(services: Services, job_id: UUID) -> str:
    """It is made by a provider; the name of its picture."""
    claim = lives.start(services, job_id)
    with services.database.transaction() as session:
        calls.open_call(session, claim, positions=[0])
    lives.land(services, claim, 0)
    lives.complete(services, claim)
    with services.database.transaction() as session:
        return session.scalars(select(Image.name).where(Image.job_id == job_id)).one()


def fail(services: Services, job_id: UUID, failure: Failure) -> None:
    """A provider refuses it."""
    claim = lives.start(services, job_id)
    with services.database.transaction() as session:
        call_id = calls.open_call(session, claim, positions=[0])
        run(session, calls.closing(call_id, CallOutcome.REFUSED, failure))
        assert ledger.fail(session, claim, failure)


def tell(services: Services, owner: Owner, job_id: UUID, *, url: str = "https://receiver") -> UUID:
    """A delivery of its end that was given up."""
    told = {"key_id": owner.key_id, "job_id": job_id, "url": url, "event": "job.completed"}
    with services.database.transaction() as session:
        given_up = insert(Delivery).values(**told, state=DeliveryState.FAILED).returning(Delivery.id)
        return session.execute(given_up).scalar_one()


def test_its_page_has_its_way_its_calls_its_money_and_whom_it_was_told(
    services: Services, owner: Owner, viewer: Visitor
) -> None:
    job_id = ask(services, owner, style="vivid")
    name = finish(services, job_id)
    tell(services, owner, job_id)

    page = viewer.get(f"/ops/jobs/{job_id}")

    assert re.search("recorded .* admitted .* claimed .* sent .* completed", page)
    assert "Asked for in vain: style" in page
    assert re.search("Provider calls .* sent 1", page)
    assert re.search(r"reserved reserved \$0\.\d+", page)
    assert "job.completed to https://receiver, 0 tries" in page
    assert '"prompt": "a fox"' in page
    assert f"/ops/thumbnails/{name}?size=large" in viewer.client.get(f"/ops/jobs/{job_id}").text


def test_a_job_that_has_only_come_in_has_a_page_as_well(services: Services, owner: Owner, viewer: Visitor) -> None:
    page = viewer.get(f"/ops/jobs/{ask(services, owner)}")

    assert "nothing that costs money was asked of a provider" in page
    assert "Nobody wanted to be told." in page


def test_what_is_markup_stays_text_and_reads_as_it_was_written(
    services: Services, owner: Owner, viewer: Visitor
) -> None:
    job_id = ask(services, owner, MARKUP, note=MARKUP)

    response = viewer.client.get(f"/ops/jobs/{job_id}")

    assert "<script>alert" not in response.text
    assert words(response.text).count(f'"prompt": "{MARKUP}"') == 2


def test_from_whom_prompts_are_hidden_no_picture_can_be_found_either(
    services: Services, owner: Owner, uninitiated: Visitor
) -> None:
    job_id = ask(services, owner, "a secret fox")
    name = finish(services, job_id)

    page = uninitiated.client.get(f"/ops/jobs/{job_id}").text

    assert "a secret fox" not in page
    assert name not in page
    assert uninitiated.client.get(f"/ops/pictures/{name}").status_code == 404


def test_from_whom_prompts_are_hidden_reads_nothing_else_that_callers_say(
    services: Services, owner: Owner, viewer: Visitor, uninitiated: Visitor
) -> None:
    job_id = lives.begin(services, owner, metadata={"customer": "secret metadata"})
    fail(services, job_id, Failure(FailureKind.REJECTED, "No secret foxes."))
    tell(services, owner, job_id, url="https://receiver.example:8443/secret-path?token=secret")

    told, hidden = (who.get(f"/ops/jobs/{job_id}") for who in (viewer, uninitiated))

    assert all(each in told for each in ("No secret foxes.", "secret metadata", "/secret-path?token=secret"))
    assert "secret" not in hidden
    assert "failed : rejected" in hidden
    assert "job.completed to https://receiver.example:8443, 0 tries" in hidden


def test_who_cancels_a_job_is_on_the_audit(
    services: Services, owner: Owner, operator: Visitor, last_entry: Callable[[], AuditEntry]
) -> None:
    job_id = ask(services, owner)

    operator.post(f"/ops/jobs/{job_id}/cancel", {"why": "a mistake"})

    entry = last_entry()
    assert builders.state_of(services, job_id) is JobState.CANCELLED
    assert (entry.actor, entry.action, entry.why) == (operator.name, "job.cancel", "a mistake")
    assert entry.subject == f"job {job_id}"
    assert "cancelled" in operator.get(f"/ops/jobs/{job_id}")


def test_what_has_ended_cannot_be_cancelled(services: Services, owner: Owner, operator: Visitor) -> None:
    job_id = ask(services, owner)
    operator.post(f"/ops/jobs/{job_id}/cancel")

    response = operator.post(f"/ops/jobs/{job_id}/cancel")

    assert response.status_code == 400
    assert "it may have ended already" in words(response.text)


def test_its_end_is_told_again(
    services: Services, owner: Owner, operator: Visitor, last_entry: Callable[[], AuditEntry]
) -> None:
    job_id = ask(services, owner)
    delivery_id = tell(services, owner, job_id)

    operator.post(f"/ops/jobs/{job_id}/deliveries/{delivery_id}")

    entry = last_entry()
    assert (entry.action, entry.detail) == ("delivery.redeliver", {"delivery": str(delivery_id)})
    assert "pending job.completed" in operator.get(f"/ops/jobs/{job_id}")


def test_what_is_another_jobs_to_tell_is_not_told(services: Services, owner: Owner, operator: Visitor) -> None:
    delivery_id = tell(services, owner, ask(services, owner))

    response = operator.post(f"/ops/jobs/{ask(services, owner)}/deliveries/{delivery_id}")

    assert response.status_code == 404


def test_viewers_cannot_act(services: Services, owner: Owner, viewer: Visitor) -> None:
    job_id = ask(services, owner)
    delivery_id = tell(services, owner, job_id)

    statuses = [
        viewer.post(f"/ops/jobs/{job_id}/{deed}").status_code for deed in ("cancel", f"deliveries/{delivery_id}")
    ]

    assert statuses == [403, 403]
    assert builders.state_of(services, job_id) is JobState.QUEUED
    assert "Cancel…" not in viewer.get(f"/ops/jobs/{job_id}")


@pytest.mark.parametrize("job_id", [uuid4(), "none", "%00", "..%2Fkeys"])
def test_what_is_no_job_is_not_found(viewer: Visitor, job_id: object) -> None:
    assert viewer.client.get(f"/ops/jobs/{job_id}").status_code == 404
