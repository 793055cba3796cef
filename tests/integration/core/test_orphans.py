"""The store and the ledger, compared."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from core import files, images, orphans
from core.bootstrap import Services
from core.errors import ObjectLost, StoreUnavailable
from core.images import Picture
from core.orm import File
from core.orphans import Comparison
from core.storage import PART_BYTES, Storage
from tests import builders
from tests.tcp_proxy import TcpProxy


@pytest.fixture(autouse=True)
def _clean(services: Services) -> None:
    """Other tests leave objects behind."""
    for prefix in orphans.PREFIXES:
        services.storage.remove([each.key for each in services.storage.objects(prefix)])
    orphans.abort_uploads(services.storage, grace=-timedelta(hours=1))


def compare(services: Services, *, mend: bool = False) -> Comparison:
    """As if what is there had been there for longer than a day."""
    return orphans.compare(services.database, services.storage, mend=mend, grace=-timedelta(hours=1))


def put(services: Services, *, stored: bool = True) -> str:
    """A picture on the ledger, and in the store as well."""
    claim = builders.claim(services, builders.make_job(services))
    picture = Picture(position=0, png=b"png", revised_prompt=None)
    key = picture.object_key(claim)
    if stored:
        services.storage.put(key, picture.png)
    with services.database.transaction() as session:
        builders.record(session, claim, picture, key)
    return key


def test_what_no_row_knows_is_found_and_removed_and_nothing_else(services: Services) -> None:
    kept, file_id = put(services), files.new_id()
    orphan, strange = files.object_key(file_id), "files/of somebody else"
    for key in (orphan, strange):
        services.storage.put(key, b"four")

    assert (compare(services).orphans, compare(services).orphan_bytes) == (1, 4)
    found = compare(services, mend=True)

    assert (found.objects, found.orphans, found.lost) == (2, 1, 0)
    assert compare(services).orphans == 0
    assert [services.storage.read(key) for key in (kept, strange)] == [b"png", b"four"]
    with pytest.raises(ObjectLost):
        services.storage.read(orphan)


def test_results_of_a_batch_are_known_by_their_row_and_orphans_without_one(services: Services) -> None:
    _, caller = builders.make_caller(services)
    kept, orphan = (f"batches/batch_{number:032x}/output.jsonl" for number in (1, 2))
    described = {"key_id": caller.key_id, "purpose": "batch_output", "filename": "output.jsonl", "bytes": 4}
    for key in (kept, orphan):
        services.storage.put_pieces(key, [b"four"])
    with services.database.transaction() as session:
        files.record(session, File(id=files.new_id(), object_key=kept, **described), lifetime=None)

    found = compare(services, mend=True)

    assert (found.objects, found.orphans, found.lost) == (2, 1, 0)
    assert services.storage.read(kept) == b"four"


def test_what_is_younger_than_a_day_may_yet_get_its_row(services: Services) -> None:
    services.storage.put(files.object_key(files.new_id()), b"four")

    found = orphans.compare(services.database, services.storage, mend=True)

    assert (found.objects, found.orphans) == (1, 0)
    assert compare(services).objects == 1


def test_what_was_swept_and_is_still_there_is_an_orphan(services: Services) -> None:
    key = put(services)
    with services.database.transaction() as session:
        images.mark_swept(session, [key.rpartition("/")[2]])

    assert compare(services).orphans == 1


def test_what_the_doctor_had_no_time_to_remove_is_an_orphan(services: Services) -> None:
    services.storage.put(f"doctor/{uuid4()}", b"four")

    assert compare(services).orphans == 1


def test_an_upload_that_the_store_lost_half_way_is_given_up_after_a_day(services: Services) -> None:
    settings = services.settings
    with closing(TcpProxy(urlsplit(settings.s3_endpoint).netloc)) as line:
        through = Storage(
            f"http://{line.address}",
            settings.s3_access_key,
            settings.s3_secret_key,
            bucket=services.storage.bucket,
        )

        def pieces() -> Iterator[bytes]:
            yield bytes(2 * PART_BYTES)
            line.cut()
            yield bytes(PART_BYTES)

        with pytest.raises(StoreUnavailable):
            through.put_pieces(files.object_key(files.new_id()), pieces())

    assert compare(services).objects == 0
    assert orphans.abort_uploads(services.storage) == 0, "it may yet be under way"
    assert orphans.abort_uploads(services.storage, grace=-timedelta(hours=1)) == 1
    assert list(services.storage.unfinished()) == []


def test_rows_whose_object_is_gone_are_named(services: Services) -> None:
    put(services)
    lost = put(services, stored=False)

    found = compare(services)

    assert (found.lost, found.examples) == (1, [lost])


def test_more_than_a_page_is_compared(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphans, "PORTION", 3)
    for _ in range(10):
        services.storage.put(files.object_key(files.new_id()), b"x")

    found = compare(services, mend=True)

    assert (found.objects, found.orphans) == (10, 10)
    assert compare(services).objects == 0
