"""The door to the object store: puts pictures and files in, streams them out, and takes them away in time."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from io import BytesIO, RawIOBase
from math import ceil
from typing import BinaryIO, NamedTuple, cast
from urllib.parse import urlsplit

from minio import Minio
from minio.commonconfig import ENABLED, Filter
from minio.deleteobjects import DeleteObject
from minio.error import MinioException, S3Error
from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule
from urllib3 import BaseHTTPResponse, PoolManager, Timeout
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from core.errors import ObjectLost, StoreUnavailable

# Buckets count whole days, so the hour is kept by the sweeper; this is for what the sweeper never saw. Keys begin
# with a year only where pictures live an hour.
BACKSTOP = LifecycleConfig(
    [Rule(ENABLED, rule_filter=Filter(prefix="2"), rule_id="backstop", expiration=Expiration(days=1))]
)
CHUNK_BYTES = 64 * 1024
# What of a file is in memory at once: a part that goes out, and a range that comes in. S3 takes no smaller parts,
# and no more of them.
PART_BYTES, MOST_PARTS = 5 * 1024 * 1024, 10_000
RANGE_BYTES = 1024 * 1024
STORE_ERRORS = (MinioException, HTTPError, OSError)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except STORE_ERRORS as error:
        lost = isinstance(error, S3Error) and error.code == "NoSuchKey"
        raise (ObjectLost if lost else StoreUnavailable)(str(error)) from error


class StoredObject(NamedTuple):
    key: str
    bytes: int
    modified_at: datetime


class Unfinished(NamedTuple):
    """An upload that was begun, and neither ended nor given up."""

    key: str
    upload_id: str
    begun_at: datetime


class Storage:
    """One bucket of an S3 server. Every method raises StoreUnavailable."""

    def __init__(self, endpoint: str, access_key: str, secret_key: str, *, bucket: str) -> None:
        address = urlsplit(endpoint)
        self.bucket = bucket
        self._minio = Minio(
            address.netloc,
            access_key=access_key,
            secret_key=secret_key,
            secure=address.scheme == "https",
            region="us-east-1",  # spares a look-up of the bucket's region
            http_client=PoolManager(
                maxsize=100,
                timeout=Timeout(connect=3, read=30),
                retries=Retry(total=2, backoff_factor=0.1, status_forcelist=(502, 503, 504)),
            ),
        )

    def create_bucket(self) -> None:
        """Make the bucket, private, with its backstop rule; does nothing where it exists."""
        with _translated():
            if not self._minio.bucket_exists(self.bucket):
                self._minio.make_bucket(self.bucket)
            self._minio.set_bucket_lifecycle(self.bucket, BACKSTOP)

    def put(self, key: str, png: bytes) -> None:
        with _translated():
            self._minio.put_object(self.bucket, key, BytesIO(png), len(png), content_type="image/png")

    def put_pieces(self, key: str, pieces: Iterable[bytes], *, most: int = 0) -> int:
        """Put an object whose length shows only at its end; returns it. What fails half way leaves nothing.

        `most` is how many bytes there may be, where that could be more than 48 GiB.
        """
        joined, part_size = _Joined(pieces), max(PART_BYTES, ceil(most / MOST_PARTS))
        with _translated():
            self._minio.put_object(
                self.bucket, key, cast("BinaryIO", joined), -1, part_size=part_size, num_parallel_uploads=1
            )
        return joined.bytes

    def read(self, key: str) -> bytes:
        """The whole object."""
        return b"".join(self.stream(key))

    def stream(self, key: str, *, offset: int = 0, length: int = 0) -> Iterator[bytes]:
        """Chunks of the object from `offset`, `length` bytes or (0) all that follow.

        The store is asked at once, so that its refusal comes before the first byte is promised to anybody.
        """
        with _translated():
            return _chunks(self._minio.get_object(self.bucket, key, offset=offset, length=length))

    def ranges(self, key: str, begin: int, end: int) -> Iterator[bytes]:
        """The object's bytes from `begin` to `end`, asked for piece by piece: whoever reads may take its time."""
        for offset in range(begin, end, RANGE_BYTES):
            yield b"".join(self.stream(key, offset=offset, length=min(RANGE_BYTES, end - offset)))

    def remove(self, keys: Iterable[str]) -> None:
        """Take objects away; those that are gone already count as removed."""
        with _translated():
            for error in self._minio.remove_objects(self.bucket, [DeleteObject(key) for key in keys]):
                raise StoreUnavailable(str(error))

    def objects(self, prefix: str) -> Iterator[StoredObject]:
        """All objects whose keys begin so, asked for page by page."""
        with _translated():
            for each in self._minio.list_objects(self.bucket, prefix, recursive=True):
                if each.object_name and each.last_modified:
                    yield StoredObject(each.object_name, each.size or 0, each.last_modified)

    def unfinished(self) -> Iterator[Unfinished]:
        """All uploads without an end. MinIO tells of none, and gives them up after a day by itself."""
        marker, more = None, True
        while more:
            with _translated():  # the library offers no way of its own
                page = self._minio._list_multipart_uploads(self.bucket, key_marker=marker)  # noqa: SLF001
            for each in page.uploads:
                if each.upload_id and each.initiated_time:
                    yield Unfinished(each.object_name, each.upload_id, each.initiated_time)
            marker, more = page.next_key_marker, page.is_truncated

    def abort(self, upload: Unfinished) -> None:
        """Give an upload up, with all its parts."""
        with _translated():
            self._minio._abort_multipart_upload(self.bucket, upload.key, upload.upload_id)  # noqa: SLF001

    def has_backstop(self) -> bool:
        """Whether the bucket has the rule that `create_bucket` gives it."""
        with _translated():
            found = self._minio.get_bucket_lifecycle(self.bucket)
        ids = [rule.rule_id for rule in found.rules if rule.status == ENABLED] if found else []
        return BACKSTOP.rules[0].rule_id in ids

    def ping(self) -> None:
        with _translated():
            if not self._minio.bucket_exists(self.bucket):
                raise StoreUnavailable(f"no bucket {self.bucket}")


class _Joined(RawIOBase):
    """Pieces one after the other, read as a file is."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._left = bytearray()
        self.bytes = 0

    def read(self, size: int = -1) -> bytes:
        while len(self._left) < size and (piece := next(self._pieces, None)) is not None:
            self._left += piece
        taken = bytes(self._left[:size])
        del self._left[:size]
        self.bytes += len(taken)
        return taken


def _chunks(response: BaseHTTPResponse) -> Iterator[bytes]:
    try:
        with _translated():
            yield from response.stream(CHUNK_BYTES)
    finally:
        response.close()
