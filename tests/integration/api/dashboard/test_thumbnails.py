"""/ops/thumbnails when many look at once, over a line to the store that counts."""

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import cycle, islice
from typing import cast
from urllib.parse import urlsplit

from werkzeug.test import TestResponse

from api.app import create_app
from api.dashboard import thumbnails
from api.waiting import WaitingRoom
from core.bootstrap import Services
from core.states import Role
from core.storage import Storage
from tests.integration.api.dashboard.conftest import Browse, statements
from tests.integration.api.dashboard.test_gallery import finish
from tests.integration.api.lives import Owner
from tests.stack import until
from tests.tcp_proxy import TcpProxy


class StoreLine(TcpProxy):
    """A way to the store that counts which pictures are read over it, and how many of them at once."""

    def __init__(self, target: str) -> None:
        self.read = self.under_way = self.most = 0
        super().__init__(target)

    def flow(self) -> None:
        """Pass on again what a silence held."""
        self._loop.call_soon_threadsafe(self._flowing.set)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, back: asyncio.StreamWriter | None = None
    ) -> None:
        await super()._pump(cast("asyncio.StreamReader", Counted(source, self)), sink, back)

    def count(self, chunk: bytes) -> None:
        if chunk.startswith(b"GET ") and b".png" in chunk.partition(b"\r\n")[0]:
            self.read += 1
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        if chunk.startswith(b"HTTP/1.1 "):
            self.under_way -= 1


@dataclass(frozen=True)
class Counted:
    source: asyncio.StreamReader
    line: StoreLine

    async def read(self, size: int) -> bytes:
        chunk = await self.source.read(size)
        self.line.count(chunk)
        return chunk


@contextmanager
def eight_ask(
    services: Services, viewer: Browse, names: Sequence[str]
) -> Iterator[tuple[StoreLine, list[Future[TestResponse]]]]:
    """Eight look at thumbnails of these pictures at once, while the store holds its answers back."""
    settings = services.settings
    with closing(StoreLine(urlsplit(settings.s3_endpoint).netloc)) as line, ThreadPoolExecutor(8) as pool:
        way = (f"http://{line.address}", settings.s3_access_key, settings.s3_secret_key)
        distant = replace(services, storage=Storage(*way, bucket=settings.s3_bucket))
        app = create_app(distant, WaitingRoom(distant.database, distant.notifier))
        line.silence()
        with statements(services) as asked:
            answers = [
                pool.submit(viewer(app).client.get, f"/ops/thumbnails/{name}") for name in islice(cycle(names), 8)
            ]
            until(lambda: sum("FROM images" in each for each in asked) == 8, "all eight have asked")
            yield line, answers


def test_a_thumbnail_that_many_ask_for_at_once_is_made_once(
    services: Services, owner: Owner, staff: dict[Role, Browse]
) -> None:
    _, name = finish(services, owner)

    with eight_ask(services, staff[Role.VIEWER], [name]) as (line, answers):
        line.flow()
        assert [answer.result(timeout=30).status_code for answer in answers] == [200] * 8

    assert line.read == 1


def test_no_more_thumbnails_are_made_at_once_than_a_process_has_room_for(
    services: Services, owner: Owner, staff: dict[Role, Browse]
) -> None:
    names = [finish(services, owner)[1] for _ in range(8)]

    with eight_ask(services, staff[Role.VIEWER], names) as (line, answers):
        until(lambda: line.under_way == thumbnails.AT_ONCE, "as many as there is room for are under way")
        line.flow()
        assert [answer.result(timeout=30).status_code for answer in answers] == [200] * 8

    assert (line.read, line.most) == (8, thumbnails.AT_ONCE)
