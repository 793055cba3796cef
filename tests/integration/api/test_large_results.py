"""Files of results that come to more than ten thousand of the smallest parts that a store takes."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from minio import Minio
from sqlalchemy import select

from api.batches.writing import Writer
from core.bootstrap import Services
from core.orm import Batch, Image, Job
from core.storage import MOST_PARTS
from tests.integration.api import lives
from tests.integration.api.batching import Submitter, line

MIB = 1024 * 1024
TWELVE = 12 * MIB


def pieces() -> Iterator[bytes]:
    yield from (b"x" * MIB for _ in range(12))


def parts(services: Services, key: str) -> int:
    """In how many an object came, as its tag says."""
    settings = services.settings
    address = urlsplit(settings.s3_endpoint)
    store = Minio(address.netloc, settings.s3_access_key, settings.s3_secret_key, secure=False)
    return int((store.stat_object(settings.s3_bucket, key).etag or "").strip('"').rpartition("-")[2])


@pytest.mark.parametrize(("most", "count"), [(0, 3), (TWELVE, 3), (6 * MIB * MOST_PARTS, 2)])
def test_parts_are_as_large_as_the_most_that_may_come_needs(services: Services, most: int, count: int) -> None:
    stored = services.storage.put_pieces("files/large", pieces(), most=most)

    assert (stored, parts(services, "files/large")) == (TWELVE, count)


def test_pictures_in_themselves_count_for_what_their_batch_may_come_to(
    services: Services, client: FlaskClient
) -> None:
    lives.let_in(services)
    submitter = Submitter.make(services, client)
    batch_id = submitter.begun(line("in itself", response_format="b64_json"), line("by address"))
    submitter.complete(batch_id)
    with services.database.transaction() as session:
        for image in session.scalars(select(Image).join(Job).where(Job.batch_id == batch_id)):
            image.bytes = 1500 * MIB
        batch = session.get_one(Batch, batch_id)

    most = Writer(services, batch).most_bytes()

    assert most == 2000 * MIB + 2 * MIB
