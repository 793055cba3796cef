"""Postgres, Redis and the collector of traces: whether they answer, and are what Darkroom needs."""

from collections.abc import Iterator
from datetime import UTC, datetime

import requests
from redis import Redis
from redis.exceptions import RedisError

from core import checkups
from core.database import UNAVAILABLE, Database
from workers.doctor import clocks
from workers.doctor.findings import Finding, broken, ok, warning

SECONDS = 3.0
OTLP = {"Content-Type": "application/x-protobuf"}


def postgres(database: Database, head: str) -> Iterator[Finding]:
    """`head` is the migration that this release needs."""
    try:
        with database.transaction() as session:
            before = datetime.now(UTC)
            server, after = checkups.server(session), datetime.now(UTC)
            revision = checkups.revision(session)
    except UNAVAILABLE as error:
        yield broken("postgres", _reason(error), "start it, or mend DATABASE_URL")
        return
    if server.major < checkups.OLDEST_VERSION:
        yield broken("postgres", f"version {server.version}", f"upgrade it to {checkups.OLDEST_VERSION} or later")
    else:
        yield ok("postgres", f"version {server.version}")
    if revision == head:
        yield ok("migrations", f"at {head}")
    else:
        yield broken("migrations", f"at {revision or 'nothing'}, not at {head}", "run `darkroom migrate`")
    yield from clocks.check("postgres", server.clock, before, after)


def _reason(error: Exception) -> str:
    """In the words of its own library, which knows the password and keeps it to itself."""
    return str(getattr(error, "orig", None) or error).partition("\n")[0]


def redis(url: str) -> Iterator[Finding]:
    with Redis.from_url(url, socket_connect_timeout=SECONDS, socket_timeout=SECONDS) as client:
        try:
            about = client.info()
            before = datetime.now(UTC)
            (seconds, microseconds), after = client.time(), datetime.now(UTC)
        except RedisError as error:
            yield broken("redis", f"does not answer: {type(error).__name__}", "start it, or mend REDIS_URL")
            return
    name, policy = about.get("server_name", "redis"), about["maxmemory_policy"]
    yield ok("redis", f"{name} {about.get('valkey_version') or about['redis_version']}")
    if policy == "noeviction":
        yield ok("eviction", policy)
    else:
        lost = "messages to workers may be dropped, and are sent again later"
        yield warning("eviction", f"{policy}: {lost}", "set maxmemory-policy to noeviction")
    yield from clocks.check("redis", datetime.fromtimestamp(seconds + microseconds / 1e6, UTC), before, after)


def collector(endpoint: str) -> Iterator[Finding]:
    """Where one is configured. It is sent no spans."""
    try:
        answer = requests.post(f"{endpoint}/v1/traces", data=b"", headers=OTLP, timeout=SECONDS)
    except requests.RequestException as error:
        says = f"does not answer: {type(error).__name__}; no traces are kept"
        yield warning("collector", says, "start it, or mend OTEL_EXPORTER_OTLP_ENDPOINT")
        return
    if answer.ok:
        yield ok("collector", "takes spans")
    else:
        remedy = "see that it takes OTLP over HTTP, and OTEL_EXPORTER_OTLP_ENDPOINT"
        yield warning("collector", f"answers {answer.status_code}", remedy)
