"""/ops/audit: who did what, why and when."""

from collections.abc import Sequence
from typing import Any

from werkzeug.exceptions import BadRequest

from api.dashboard.visits import Visit
from core import audit
from core.orm import AuditEntry

PAGE = 100


def show(visit: Visit) -> str:
    before = _entry(visit.query.get("before"))
    subject, actor = visit.query.get("subject") or None, visit.query.get("actor") or None
    entries = visit.glass.look(
        ("audit", before, subject, actor), lambda: _read(visit, before=before, subject=subject, actor=actor)
    )
    return visit.render(
        "audit.html",
        title="Audit",
        entries=entries[:PAGE],
        more=entries[PAGE - 1].id if len(entries) > PAGE else None,
        subject=subject,
        actor=actor,
    )


def _read(visit: Visit, **wanted: Any) -> Sequence[AuditEntry]:
    with visit.reading() as session:
        return audit.page(session, **wanted, limit=PAGE + 1)


def _entry(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal() or len(text) > 18:  # noqa: PLR2004 - as many digits as fit a bigint
        raise BadRequest("This is no entry of the audit.")
    return int(text)
