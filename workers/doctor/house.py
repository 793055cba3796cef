"""The house itself: workers, scheduler, batches, what its own figures say, and what lies about in the store."""

from collections import Counter
from collections.abc import Iterator, Sequence

from sqlalchemy.orm import Session

from core import admission, alerts, checkups, fleet, orphans, vitals
from core.alerts import Severity
from core.bootstrap import Services
from core.states import Part
from core.vitals import Vitals
from workers.doctor.findings import Finding, broken, ok, warning


def check(services: Services) -> Iterator[Finding]:
    with services.database.transaction() as session:
        yield from _providers(session, services.catalog.providers)
        yield from _batches(session)
        seen = vitals.look(session)
    yield from _parts(seen)
    found = alerts.raised(seen)
    for alert in found:
        judge = broken if alert.severity is Severity.CRITICAL else warning
        yield judge("house", alert.says, alert.advice)
    if not found:
        yield ok("house", "no alerts")


def _providers(session: Session, names: Sequence[str]) -> Iterator[Finding]:
    known = {row.name for row in admission.providers(session)}
    members = fleet.every(session)
    at_work = Counter(each.worker.provider for each in members if not (each.lost or each.ended))
    for name in names:
        if name not in known:
            yield broken("scheduler", f"has not given {name} its slots", "start `darkroom scheduler`")
        if at_work[name]:
            yield ok("workers", f"{at_work[name]} of {name}")
        else:
            yield broken("workers", f"none of {name}", f"start `darkroom worker --provider {name}`")


def _parts(seen: Vitals) -> Iterator[Finding]:
    """Where none is at work and something waits for it, an alert says so."""
    for part in (Part.SCHEDULER, Part.CLERK):
        if seen.parts[part]:
            yield ok(part, f"{seen.parts[part]} at work")
    if not (seen.parts[Part.CLERK] or seen.batches):
        yield warning(Part.CLERK, "none at work: a batch would wait for one", "start `darkroom clerk`")


def _batches(session: Session) -> Iterator[Finding]:
    stuck = checkups.stuck_batches(session)
    if stuck:
        remedy = "see that `darkroom clerk` runs, and its log for batch.stuck"
        yield broken("batches", f"{len(stuck)} stuck, such as {stuck[0]}", remedy)
    else:
        yield ok("batches", "none is stuck")


def store(services: Services, *, mend: bool) -> Iterator[Finding]:
    """Compare the store with the ledger; with `mend`, remove what the ledger does not know."""
    found = orphans.compare(services.database, services.storage, mend=mend)
    size = f"{found.orphans} of {found.objects} objects, {found.orphan_bytes:,} bytes"
    if found.orphans and mend:
        yield ok("orphans", f"{size}: removed")
    elif found.orphans:
        yield warning("orphans", f"{size}, are unknown to the ledger", "run `darkroom doctor --mend`")
    else:
        yield ok("orphans", f"none among {found.objects} objects")
    if found.lost:
        says = f"{found.lost} are on the ledger and not in the store, such as {found.examples[0]}"
        yield broken("lost objects", says, "see what else deletes from the bucket; its callers have to ask again")
