"""The store and the ledger, compared."""

from datetime import timedelta

import pytest

from core import files, images, orphans
from core.bootstrap import Services
from core.errors import ObjectLost
from core.images import Picture
from core.orphans import Comparison
from tests import builders


@pytest.fixture(autouse=True)
def _clean(services: Services) -> None:
    """Other tests leave objects behind."""
    for prefix in orphans.PREFIXES:
        services.storage.remove([each.key for each in services.storage.objects(prefix)])


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
