"""Uploads for which there is no room, or whose store goes away in the middle."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from core.bootstrap import Services, assemble
from core.settings import Settings
from tests.integration.api.envelope import error_of
from tests.integration.api.uploading import Headers, keys_in_store, listed, upload, uploaded
from tests.small_store import small_store
from tests.tcp_proxy import TcpProxy

# Three parts on their way into the store.
LARGE = os.urandom(14_000_000)
ClientWith = Callable[..., FlaskClient]


@pytest.fixture
def line(settings: Settings) -> Iterator[TcpProxy]:
    """The one to the store."""
    line = TcpProxy(urlsplit(settings.s3_endpoint).netloc)
    yield line
    line.close()


def send(client: FlaskClient, headers: Headers) -> TestResponse:
    return upload(client, headers, body=LARGE, purpose="vision")


def assert_told_to_come_again(response: TestResponse) -> None:
    error = error_of(response)
    assert (response.status_code, error["type"]) == (503, "server_error")
    assert (error["code"], error["param"]) == ("temporarily_unavailable", None)
    assert (response.headers["x-should-retry"], response.headers["retry-after"]) == ("true", "1")


def test_a_store_that_gets_full_leaves_nothing_listed_and_nothing_stored(
    client_with: ClientWith, settings: Settings, authorized: Headers, tmp_path: Path
) -> None:
    with small_store(tmp_path / "store") as store:
        client = client_with(**store)

        response = send(client, authorized)

        assert_told_to_come_again(response)
        assert listed(client, authorized)["data"] == []
        with closing(assemble(replace(settings, **store))) as services:
            assert keys_in_store(services) == set()
            assert unfinished(services) == []
        assert uploaded(client, authorized)["bytes"] > 0  # what there is room for is taken


def test_a_store_that_goes_away_half_way_leaves_nothing_listed(
    client_with: ClientWith, services: Services, authorized: Headers, line: TcpProxy
) -> None:
    client = client_with(s3_endpoint=f"http://{line.address}")
    before = keys_in_store(services)
    line.lose_answer_to(b"partNumber=2", and_refuse=True)

    response = send(client, authorized)

    assert_told_to_come_again(response)
    assert line.answers_lost == 1
    assert listed(client, authorized)["data"] == []
    assert keys_in_store(services) == before
    line.restore()
    assert send(client, authorized).status_code == 200


def unfinished(services: Services) -> list[str]:
    """Objects of which the store has only parts."""
    found = services.storage._minio._list_multipart_uploads(services.storage.bucket)  # noqa: SLF001 - the product lists nothing
    return [each.object_name for each in found.uploads]
