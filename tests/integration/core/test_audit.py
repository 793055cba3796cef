import pytest
from sqlalchemy import delete
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from core import audit, users
from core.bootstrap import Services
from core.orm import AuditEntry
from core.states import Role


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


def test_who_was_not_let_in_is_on_it_once_an_hour_and_by_names_of_users_alone(services: Services) -> None:
    with services.database.transaction() as session:
        for name in ("ada", "bob"):
            users.create(session, name, Role.VIEWER, "a rather long one")
        users.disable(session, "bob")
        for name in ("ada", "ada", "bob", "her password"):
            audit.record_refusal(session, name, address="203.0.113.7")

        (entry,) = audit.page(session, limit=10)

    assert (entry.actor, entry.action, entry.subject) == ("stranger", "user.refused", "user ada")
    assert entry.detail == {"address": "203.0.113.7"}


def test_what_is_on_the_audit_stays_there(services: Services) -> None:
    with services.database.transaction() as session:
        act(session, "ada", "job.cancel", "job 1")

    with pytest.raises(DatabaseError), services.database.transaction() as session:
        session.execute(delete(AuditEntry))
