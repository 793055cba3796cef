"""What is done at the command line is on the audit, as what is done at the dashboard."""

from uuid import UUID

from sqlalchemy import select

from core import audit, keys
from core.bootstrap import Services
from core.orm import AuditEntry
from tests import builders
from tests.integration.commands.terminal import Run, lines


def told(services: Services) -> list[tuple[str, str, object]]:
    with services.database.transaction() as session:
        entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert {entry.actor for entry in entries} == {audit.CLI}
    return [(entry.action, entry.subject, entry.detail) for entry in entries]


def test_what_is_done_to_providers_and_jobs_is_on_the_audit(run: Run, services: Services) -> None:
    job_id = builders.make_job(services)

    for words in (
        ("providers", "slots", "openai", 7),
        ("providers", "rate", "openai", "60/minute"),
        *(("providers", verb, "openai") for verb in ("pause", "drain", "resume")),
        ("jobs", "cancel", job_id),
    ):
        lines(run(*words))
    run("providers", "pause", "nobody")

    assert told(services) == [
        ("provider.change", "provider openai", {"slots": "7"}),
        ("provider.change", "provider openai", {"rate": "60/minute"}),
        *((f"provider.{verb}", "provider openai", None) for verb in ("pause", "drain", "resume")),
        ("job.cancel", f"job {job_id}", None),
    ]


def test_what_is_done_to_keys_is_on_the_audit_without_their_secrets(run: Run, services: Services) -> None:
    (secret,) = lines(
        run("keys", "create", "ann", "--model", "dall-e-2", "--cap", "10.50", "--expires", "2020-02-29")
    )
    key_id = id_of(services, secret)

    lines(run("keys", "change", key_id, "--cap", "none"))
    lines(run("keys", "revoke", key_id))

    limits = {"models": "dall-e-2", "cap": "10.50", "expires_at": "2020-02-29 23:59 UTC"}
    assert told(services) == [
        ("key.create", f"key {key_id}", {"name": "ann", **limits}),
        ("key.change", f"key {key_id}", {"cap": "none"}),
        ("key.revoke", f"key {key_id}", None),
    ]


def id_of(services: Services, secret: str) -> UUID:
    with services.database.transaction() as session:
        return keys.id_of(session, secret)
