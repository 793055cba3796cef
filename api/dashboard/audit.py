"""/ops/audit: who did what, why and when."""

from werkzeug.exceptions import BadRequest

from api.dashboard.visits import Visit
from core import audit

PAGE = 100


def show(visit: Visit) -> str:
    before = _entry(visit.query.get("before"))
    subject, actor = visit.query.get("subject") or None, visit.query.get("actor") or None
    with visit.services.database.transaction() as session:
        entries = audit.page(session, before=before, subject=subject, actor=actor, limit=PAGE + 1)
    return visit.render(
        "audit.html",
        title="Audit",
        entries=entries[:PAGE],
        more=entries[PAGE - 1].id if len(entries) > PAGE else None,
        subject=subject,
        actor=actor,
    )


def _entry(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal() or len(text) > 18:  # noqa: PLR2004 - as many digits as fit a bigint
        raise BadRequest("This is no entry of the audit.")
    return int(text)
