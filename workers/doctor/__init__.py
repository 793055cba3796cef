"""`darkroom doctor`: looks at all that Darkroom depends on, and at Darkroom itself, and says what to do."""

from collections.abc import Iterator

from core.bootstrap import Services
from workers.doctor import house, providers, servers, store
from workers.doctor.findings import Finding, Verdict

__all__ = ["Finding", "Verdict", "examine"]


def examine(services: Services, *, head: str, mend: bool) -> Iterator[Finding]:
    """`head` is the migration that this release needs; `mend` removes what nobody knows from the store.

    What cannot be told without Postgres, or before it is migrated, is left out where that is broken.
    """
    settings = services.settings
    ledger = list(servers.postgres(services.database, head))
    yield from ledger
    yield from servers.redis(settings.redis_url)
    bucket = list(store.check(services.storage, settings.s3_endpoint))
    yield from bucket
    if settings.otlp_endpoint:
        yield from servers.collector(settings.otlp_endpoint)
    yield from providers.check(settings, services.catalog)
    if _sound(ledger):
        yield from house.check(services)
    if _sound(ledger) and all(finding.subject != "store" or finding.verdict is Verdict.OK for finding in bucket):
        yield from house.store(services, mend=mend)


def _sound(findings: list[Finding]) -> bool:
    return all(finding.verdict is not Verdict.BROKEN for finding in findings)
