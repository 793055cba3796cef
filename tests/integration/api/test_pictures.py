from collections.abc import Callable
from hashlib import sha256

import pytest
from flask.testing import FlaskClient

from core.bootstrap import Services
from core.images import LIFETIME, Picture
from core.orm import Image
from tests import builders
from tests.integration.api.envelope import error_of

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 600
ETAG = f'"{sha256(PNG).hexdigest()}"'
SIZE = len(PNG)
ClientWith = Callable[..., FlaskClient]


@pytest.fixture
def picture(services: Services) -> Picture:
    """One that is stored, and on the ledger of a completed job."""
    claim = builders.claim(services, builders.make_job(services))
    picture = Picture(position=0, png=PNG, revised_prompt=None)
    key = picture.object_key(claim)
    services.storage.put(key, picture.png)
    with services.database.transaction() as session:
        builders.record(session, claim, picture, key)
        assert builders.succeed(session, claim)
    return picture


@pytest.fixture
def url(picture: Picture) -> str:
    return f"/files/{picture.name}"


def age(services: Services, picture: Picture) -> None:
    with services.database.transaction() as session:
        session.get_one(Image, picture.name).expires_at -= LIFETIME


def test_a_picture_is_served_byte_for_byte(client: FlaskClient, url: str) -> None:
    response = client.get(url)

    assert (response.status_code, response.data) == (200, PNG)
    assert (response.mimetype, response.content_length) == ("image/png", SIZE)
    assert (response.headers["ETag"], response.headers["Accept-Ranges"]) == (ETAG, "bytes")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Disposition"] == "inline"
    assert response.headers["x-request-id"].startswith("req_")


def test_head_tells_all_but_the_bytes(client: FlaskClient, url: str) -> None:
    got, head = client.get(url), client.head(url)

    assert (head.status_code, head.data) == (200, b"")
    assert head.content_length == SIZE
    for name in ("Content-Type", "ETag", "Accept-Ranges"):
        assert head.headers[name] == got.headers[name]


def test_no_cache_keeps_a_picture_beyond_its_hour(client: FlaskClient, url: str) -> None:
    cache_control = client.get(url).cache_control

    assert cache_control.max_age is not None
    assert LIFETIME.total_seconds() - 60 < cache_control.max_age <= LIFETIME.total_seconds()
    assert cache_control.private


@pytest.mark.parametrize("known", [ETAG, f"W/{ETAG}", f'"other", {ETAG}', "*"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_picture_that_is_known_is_not_sent_again(client: FlaskClient, url: str, known: str, method: str) -> None:
    response = client.open(url, method=method, headers={"If-None-Match": known})

    assert (response.status_code, response.data) == (304, b"")
    assert response.headers["ETag"] == ETAG
    assert "max-age" in response.headers["Cache-Control"]


def test_another_picture_that_is_known_changes_nothing(client: FlaskClient, url: str) -> None:
    assert client.get(url, headers={"If-None-Match": '"other"'}).data == PNG


@pytest.mark.parametrize(
    ("asked", "span"),
    [
        ("bytes=0-0", (0, 0)),
        ("bytes=0-9", (0, 9)),
        ("bytes=100-70000", (100, 70_000)),
        ("bytes=-10", (SIZE - 10, SIZE - 1)),
        ("bytes=1000-", (1000, SIZE - 1)),
        ("bytes=0-", (0, SIZE - 1)),
        (f"bytes={SIZE - 1}-", (SIZE - 1, SIZE - 1)),
        (f"bytes=10-{SIZE * 2}", (10, SIZE - 1)),
        (f"bytes=-{SIZE * 2}", (0, SIZE - 1)),
    ],
)
def test_a_range_is_sent_alone(client: FlaskClient, url: str, asked: str, span: tuple[int, int]) -> None:
    first, last = span

    response = client.get(url, headers={"Range": asked})

    assert (response.status_code, response.data) == (206, PNG[first : last + 1])
    assert response.headers["Content-Range"] == f"bytes {first}-{last}/{SIZE}"
    assert response.content_length == last + 1 - first


@pytest.mark.parametrize("asked", ["bytes=0-9,20-29", "pictures=0-9", "bytes=9-0", "bytes=a-b", "bytes", ""])
def test_a_range_that_is_not_understood_gets_the_whole(client: FlaskClient, url: str, asked: str) -> None:
    response = client.get(url, headers={"Range": asked})

    assert (response.status_code, response.data) == (200, PNG)
    assert "Content-Range" not in response.headers


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", f"bytes={SIZE * 2}-{SIZE * 3}"])
def test_a_range_beyond_the_end_is_told_the_length(client: FlaskClient, url: str, asked: str) -> None:
    response = client.get(url, headers={"Range": asked})

    assert response.status_code == 416
    assert error_of(response)["type"] == "invalid_request_error"
    assert response.headers["Content-Range"] == f"bytes */{SIZE}"


@pytest.mark.parametrize(
    ("condition", "status"),
    [(ETAG, 206), ('"other"', 200), (f"W/{ETAG}", 200), ("Wed, 21 Oct 2026 07:28:00 GMT", 200)],
)
def test_a_range_of_another_version_gets_the_whole(
    client: FlaskClient, url: str, condition: str, status: int
) -> None:
    response = client.get(url, headers={"Range": "bytes=0-9", "If-Range": condition})

    assert (response.status_code, response.content_length) == (status, 10 if status == 206 else SIZE)


@pytest.mark.parametrize(
    "name",
    [
        "img-AAAAAAAAAAAAAAAAAAAAAAAA.png",
        "img-.png",
        "%2e%2e",
        "..%2f..%2fetc%2fpasswd",
        "%00.png",
        "img-%27%20OR%20%27%27=%27.png",
        "%ff",
    ],
)
def test_a_name_that_was_never_given_is_not_found(client: FlaskClient, picture: Picture, name: str) -> None:
    response = client.get(f"/files/{name}")

    assert response.status_code == 404
    assert picture.name not in str(error_of(response))


@pytest.mark.parametrize("path", ["/files", "/files/", "/files/?list-type=2", "/files/img-", "/files/../files/"])
def test_nothing_can_be_listed(client: FlaskClient, picture: Picture, path: str) -> None:
    response = client.get(path)

    assert response.status_code == 404
    assert picture.name not in response.text


def test_the_objects_key_is_no_way_in(client: FlaskClient, services: Services, picture: Picture) -> None:
    with services.database.transaction() as session:
        key = session.get_one(Image, picture.name).object_key

    assert client.get(f"/files/{key}").status_code == 404


@pytest.mark.parametrize("headers", [{}, {"If-None-Match": ETAG}, {"Range": "bytes=0-9"}])
def test_an_expired_picture_is_forbidden_though_it_is_still_stored(
    client: FlaskClient, services: Services, picture: Picture, headers: dict[str, str]
) -> None:
    age(services, picture)

    response = client.get(f"/files/{picture.name}", headers=headers)

    assert (response.status_code, error_of(response)["code"]) == (403, "picture_expired")
    assert "ETag" not in response.headers


def test_a_store_that_is_away_is_told_as_temporary(client_with: ClientWith, url: str) -> None:
    client = client_with(s3_endpoint="http://127.0.0.1:1")

    response = client.get(url)

    assert (response.status_code, error_of(response)["code"]) == (503, "temporarily_unavailable")
    assert (response.headers["x-should-retry"], response.headers["Retry-After"]) == ("true", "1")
    assert "Cache-Control" not in response.headers


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-9"}])
def test_an_object_that_the_store_lost_is_not_found(
    client: FlaskClient, services: Services, picture: Picture, headers: dict[str, str]
) -> None:
    with services.database.transaction() as session:
        key = session.get_one(Image, picture.name).object_key
    services.storage.remove([key])

    response = client.get(f"/files/{picture.name}", headers=headers)

    assert (response.status_code, error_of(response)["code"]) == (404, "picture_not_found")
