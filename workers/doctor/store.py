"""The object store: whether it takes and gives, forgets after a day, and shows nothing to strangers."""

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from uuid import uuid4

import requests

from core.errors import ObjectLost, StoreUnavailable
from core.storage import Storage
from workers.doctor import clocks
from workers.doctor.findings import Finding, broken, ok, warning

SECONDS = 5.0
RULE_REMEDY = "run `darkroom migrate`; or have another rule delete after a day what begins with 2"


def check(storage: Storage, endpoint: str) -> Iterator[Finding]:
    try:
        storage.ping()
    except StoreUnavailable as error:
        yield broken("store", _reason(error), "start it, mend S3_ENDPOINT and its keys, or run `darkroom migrate`")
        return
    yield ok("store", f"bucket {storage.bucket} is there")
    yield _rule(storage)
    key = f"doctor/{uuid4()}"
    try:
        storage.put(key, key.encode())
        yield from _strangers(f"{endpoint}/{storage.bucket}", key)
        yield _round_trip(storage, key)
    except StoreUnavailable as error:
        yield broken(
            "store", f"takes no objects: {_reason(error)}", "see its log, its disk, and what its keys may do"
        )


def _rule(storage: Storage) -> Finding:
    try:
        if storage.has_backstop():
            return ok("bucket rule", "deletes after a day what the sweeper never saw")
    except StoreUnavailable as error:
        return warning("bucket rule", f"cannot be read: {_reason(error)}", RULE_REMEDY)
    return broken("bucket rule", "missing: pictures that the sweeper never saw stay for good", RULE_REMEDY)


def _round_trip(storage: Storage, key: str) -> Finding:
    intact = storage.read(key) == key.encode()
    storage.remove([key])
    try:
        storage.read(key)
    except ObjectLost:
        if intact:
            return ok("objects", "put, read and deleted")
    return broken("objects", "do not come back as they were put, or stay", "see the store's log")


def _strangers(bucket: str, key: str) -> Iterator[Finding]:
    """Ask without a key, for an object and for the list of all."""
    before = datetime.now(UTC)
    try:
        answers = [requests.get(url, timeout=SECONDS) for url in (f"{bucket}/{key}", f"{bucket}?list-type=2")]
    except requests.RequestException as error:
        yield warning("bucket", f"could not be asked without a key: {type(error).__name__}", "see S3_ENDPOINT")
        return
    after = datetime.now(UTC)
    if any(answer.ok for answer in answers):
        yield broken("bucket", "can be read by anybody", "remove the policy that makes it public")
    else:
        yield ok("bucket", "private")
    if date := answers[-1].headers.get("date"):
        yield from clocks.check("store", parsedate_to_datetime(date), before, after)


def _reason(error: StoreUnavailable) -> str:
    cause = error.__cause__
    return str(error) if cause is None else str(getattr(cause, "code", None) or type(cause).__name__)
