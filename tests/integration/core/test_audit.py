import pytest
from sqlalchemy import delete
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from core import audit
from core.bootstrap import Services
from core.orm import AuditEntry


def act(session: Session, actor: str, action: str, subject: str) -> None:
    audit.record(session, actor=actor, action=action, subject=subject)


def test_the_audit_is_read_newest_first_a_page_at_a_time(services: Services) -> None:
    with services.database.transaction() as session:
        for number in range(5):
            act(session, "ada", "job.cancel", f"job {number}")

        first = audit.page(session, limit=3)
        second = audit.page(session, before=first[-1].id, limit=3)

    assert [entry.subject for entry in first] == ["job 4", "job 3", "job 2"]
    assert [entry.subject for entry in second] == ["job 1", "job 0"]


def test_the_audit_is_read_by_who_did_it_and_by_what_it_was_done_to(services: Services) -> None:
    with services.database.transaction() as session:
        act(session, "ada", "provider.pause", "provider bfl")
        act(session, "bob", "provider.resume", "provider bfl")
        act(session, "ada", "user.create", "user bob")

        of_ada = audit.page(session, actor="ada", limit=10)
        of_bfl = audit.page(session, subject="provider bfl", limit=10)

    assert [entry.action for entry in of_ada] == ["user.create", "provider.pause"]
    assert [entry.actor for entry in of_bfl] == ["bob", "ada"]


def test_an_entry_says_why_and_with_what(services: Services) -> None:
    with services.database.transaction() as session:
        audit.record(
            session, actor="ada", action="provider.slots", subject="provider bfl", why="rush", detail={"slots": 9}
        )
        (entry,) = audit.page(session, limit=1)

    assert (entry.why, entry.detail) == ("rush", {"slots": 9})


def test_what_is_on_the_audit_stays_there(services: Services) -> None:
    with services.database.transaction() as session:
        act(session, "ada", "job.cancel", "job 1")

    with pytest.raises(DatabaseError), services.database.transaction() as session:
        session.execute(delete(AuditEntry))
