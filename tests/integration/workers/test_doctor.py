"""What `darkroom doctor` finds, on a house where all is well and where one thing is not."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner, Result
from minio import Minio
from redis import Redis
from sqlalchemy import func, text

from core import fleet
from core.bootstrap import Services
from core.fleet import Load, Process
from core.images import Picture
from core.orm import Provider
from core.processes import Presence
from core.states import Part
from core.storage import BACKSTOP
from darkroom import cli
from tests import builders
from tests.providers.simulator import Simulator
from tests.receiver import Receiver
from tests.stack import ROOT

KEY = "sk-test-upstream"
ROOTS = {
    "openai": ("OPENAI_API_KEY", "OPENAI_BASE_URL", "/v1"),
    "stability": ("STABILITY_API_KEY", "STABILITY_BASE_URL", ""),
    "bfl": ("BFL_API_KEY", "BFL_BASE_URL", ""),
    "midjourney": ("MIDJOURNEY_API_SECRET", "MIDJOURNEY_BASE_URL", ""),
}
Doctor = Callable[..., Result]


@pytest.fixture(scope="module")
def upstreams() -> Iterator[dict[str, str]]:
    """The settings of all providers: one process of simulators each."""
    with (
        Simulator.running("openai", KEY) as openai,
        Simulator.running("stability", KEY) as stability,
        Simulator.running("bfl", KEY) as bfl,
        Simulator.running("midjourney", KEY) as midjourney,
    ):
        running = {"openai": openai, "stability": stability, "bfl": bfl, "midjourney": midjourney}
        yield {
            name: value
            for provider, (key, root, path) in ROOTS.items()
            for name, value in ((key, KEY), (root, running[provider].address + path))
        }


@pytest.fixture
def doctor(environment: dict[str, str], upstreams: dict[str, str], services: Services) -> Doctor:
    """Examines a house with all its workers; `changed` are other settings, words options."""
    for provider in ROOTS:
        builders.register(services, provider=provider)
        said = Process(
            name=provider,
            provider=provider,
            celery_name=f"{provider}-1@here",
            host="here",
            pid=1,
            version="1",
            concurrency=1,
        )
        with services.database.transaction() as session:
            fleet.beat(session, said, Load(rss=1, stopping=False))
    for part in (Part.SCHEDULER, Part.CLERK):
        Presence(services.database, part).beat()

    def examine(*words: str, **changed: str) -> Result:
        return CliRunner().invoke(cli, ["doctor", *words], env={**environment, **upstreams, **changed})

    return examine


def of(result: Result, subject: str) -> str:
    """The lines about a subject."""
    found = re.search(rf"^\w+ +{re.escape(subject)}: .*(\n +-> .*)?", result.output, re.MULTILINE)
    assert found, result.output
    return found[0]


def test_a_house_where_all_is_well_is_told_so(doctor: Doctor) -> None:
    result = doctor()

    assert {line.split()[0] for line in result.output.splitlines()} == {"ok"}, result.output
    assert result.exit_code == 0
    for subject in (
        "postgres",
        "migrations",
        "redis",
        "clock of store",
        "bucket rule",
        "bucket",
        "objects",
        "scheduler",
        "clerk",
        *ROOTS,
    ):
        of(result, subject)
    assert "credits left" in of(result, "stability")


def test_no_secret_is_shown(doctor: Doctor, environment: dict[str, str]) -> None:
    output = doctor().output + doctor(STABILITY_API_KEY="sk-another-key").output

    secrets = [environment["S3_SECRET_KEY"], KEY, "sk-another-key"]
    passwords = [urlsplit(environment[name]).password or "" for name in ("DATABASE_URL", "REDIS_URL")]
    assert [each for each in (*secrets, *passwords) if each in output] == []


@pytest.mark.parametrize("provider", ROOTS)
def test_a_key_that_a_provider_refuses_is_named(doctor: Doctor, provider: str) -> None:
    result = doctor(**{ROOTS[provider][0]: "sk-wrong"})

    assert result.exit_code == 1
    assert of(result, provider).startswith(f"broken   {provider}: refuses the key")
    assert "set a key that is in force" in of(result, provider)


@pytest.mark.parametrize(
    ("changed", "subject", "remedy"),
    [
        ({"REDIS_URL": "redis://127.0.0.1:1/0"}, "redis", "REDIS_URL"),
        ({"DATABASE_URL": "postgresql+psycopg://a:b@127.0.0.1:1/c"}, "postgres", "DATABASE_URL"),
        ({"DATABASE_URL": "postgresql+psycopg://a:b@127.0.0.1:1/c"}, "postgres", "Connection refused"),
        ({"S3_ENDPOINT": "http://127.0.0.1:1"}, "store", "S3_ENDPOINT"),
        ({"S3_SECRET_KEY": "not-the-secret"}, "store", "S3_ENDPOINT and its keys"),
        ({"S3_BUCKET": "nowhere"}, "store", "darkroom migrate"),
        ({"BFL_BASE_URL": "http://127.0.0.1:1"}, "bfl", "the way out to it"),
    ],
)
def test_what_does_not_answer_is_named_with_its_setting(
    doctor: Doctor, changed: dict[str, str], subject: str, remedy: str
) -> None:
    result = doctor(**changed)

    assert result.exit_code == 1
    assert of(result, subject).startswith("broken")
    assert remedy in of(result, subject)


def test_a_collector_that_takes_no_spans_is_a_warning(environment: dict[str, str]) -> None:
    with Receiver(200, 404) as collector:
        traced = {**environment, "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.port}"}
        takes, refuses = examine_apart(traced), examine_apart(traced)
    silent = examine_apart(traced)

    assert [got.path for got in collector.got] == ["/v1/traces"] * 2
    assert "ok       collector: takes spans" in takes
    assert "warning  collector: answers 404" in refuses
    assert "warning  collector: does not answer: ConnectionError" in silent


def examine_apart(environment: dict[str, str]) -> str:
    """In a process of its own, where a process is traced from then on."""
    command = [sys.executable, "darkroom.py", "doctor"]
    env = {**os.environ, **environment}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False).stdout


def test_a_migration_that_was_not_made_is_named(doctor: Doctor, services: Services) -> None:
    with services.database.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0001'"))

    result = doctor()

    assert result.exit_code == 1
    assert "at 0001, not at " in of(result, "migrations")
    assert "run `darkroom migrate`" in of(result, "migrations")


def test_memory_that_redis_may_empty_is_a_warning(doctor: Doctor, environment: dict[str, str]) -> None:
    with Redis.from_url(environment["REDIS_URL"]) as redis:
        redis.config_set("maxmemory-policy", "allkeys-lru")
        try:
            result = doctor()
        finally:
            redis.config_set("maxmemory-policy", "noeviction")

    assert result.exit_code == 0
    assert of(result, "eviction").startswith("warning  eviction: allkeys-lru")


def test_a_bucket_without_its_rule_is_named(doctor: Doctor, services: Services) -> None:
    minio = client_of(services)
    minio.delete_bucket_lifecycle(services.storage.bucket)
    try:
        result = doctor()
    finally:
        minio.set_bucket_lifecycle(services.storage.bucket, BACKSTOP)

    assert result.exit_code == 1
    assert "run `darkroom migrate`" in of(result, "bucket rule")


def client_of(services: Services) -> Minio:
    settings = services.settings
    host = settings.s3_endpoint.partition("//")[2]
    return Minio(host, settings.s3_access_key, settings.s3_secret_key, secure=False, region="us-east-1")


def test_workers_that_are_not_there_are_named(doctor: Doctor, services: Services) -> None:
    with services.database.transaction() as session:
        session.execute(text("DELETE FROM workers WHERE provider = 'bfl'"))
        session.execute(text("DELETE FROM providers WHERE name = 'bfl'"))

    result = doctor()

    assert result.exit_code == 1
    assert "start `darkroom worker --provider bfl`" in of(result, "workers")
    assert "start `darkroom scheduler`" in of(result, "scheduler")


def test_a_scheduler_and_a_clerk_that_have_fallen_silent_are_named(doctor: Doctor, services: Services) -> None:
    with services.database.transaction() as session:
        session.execute(text("UPDATE workers SET seen_at = seen_at - interval '1 minute' WHERE part <> 'worker'"))

    result = doctor()

    assert result.exit_code == 1
    assert of(result, "house").startswith("broken   house: No scheduler is at work")
    assert "darkroom scheduler" in of(result, "house")
    assert of(result, "clerk").startswith("warning  clerk: none at work")


def test_a_batch_that_nobody_reads_is_named(doctor: Doctor, services: Services) -> None:
    _, caller = builders.make_caller(services)
    with services.database.transaction() as session:
        builders.add_batch(session, caller.key_id).created_at = func.now() - timedelta(hours=1)
        session.execute(text("DELETE FROM workers WHERE part = 'clerk'"))

    result = doctor()

    assert result.exit_code == 1
    assert "1 stuck, such as batch_" in of(result, "batches")
    assert "No clerk is at work" in of(result, "house")
    assert "`darkroom clerk`" in of(result, "batches")


def test_a_provider_that_is_taken_out_is_named(doctor: Doctor, services: Services) -> None:
    with services.database.transaction() as session:
        session.get_one(Provider, "openai").open_until = builders.now(session) + timedelta(minutes=1)

    result = doctor()

    assert result.exit_code == 1
    assert "openai failed again and again, and is taken out." in of(result, "house")


def test_a_picture_that_is_gone_from_the_store_is_named(doctor: Doctor, services: Services) -> None:
    claim = builders.claim(services, builders.make_job(services))
    picture = Picture(position=0, png=b"png", revised_prompt=None)
    with services.database.transaction() as session:
        builders.record(session, claim, picture, picture.object_key(claim))

    result = doctor()

    assert result.exit_code == 1
    assert picture.name in of(result, "lost objects")


def test_a_bucket_that_anybody_can_read_is_named(doctor: Doctor, services: Services) -> None:
    bucket, minio = services.storage.bucket, client_of(services)
    everybody = {
        "Effect": "Allow",
        "Principal": {"AWS": ["*"]},
        "Action": ["s3:GetObject"],
        "Resource": [f"arn:aws:s3:::{bucket}/*"],
    }
    minio.set_bucket_policy(bucket, json.dumps({"Version": "2012-10-17", "Statement": [everybody]}))
    try:
        result = doctor()
    finally:
        minio.delete_bucket_policy(bucket)

    assert result.exit_code == 1
    assert "remove the policy" in of(result, "bucket")
