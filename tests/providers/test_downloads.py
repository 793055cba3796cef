import pytest

from tests.providers.upstream import Upstream, a_closed_port, answer
from workers.providers.downloads import Downloads
from workers.providers.errors import Misconfigured, Unavailable
from workers.providers.http import Limits

HOSTS = (".pictures.example", "cdn.example", "store*.blob.example", "odd.example:8443")
KEY = {"x-key": "a-very-secret-key"}


def downloads(base_url: str = "https://api.provider.example", **limits: float) -> Downloads:
    limited = Limits(**limits)  # type: ignore[arg-type]  # answer_bytes is a whole number
    return Downloads(base_url, hosts=HOSTS, trusted=(".provider.example",), limits=limited, connections=2)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.provider.example/v1/result?id=1",
        "https://api.provider.example:443/",
        "HTTPS://API.Provider.Example",
        "https://eu.api.provider.example/",
        "https://api.eu4.provider.example/",
        "https://delivery.eu.pictures.example/a.png?sig=a%2Bb",
        "https://cdn.example/a.png",
        "https://storeeu1.blob.example/a.png",
        "https://odd.example:8443/a.png",
    ],
)
def test_the_own_host_and_those_that_were_named_are_allowed(url: str) -> None:
    assert downloads().allows(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.png",
        "ftp://cdn.example/a.png",
        "file:///etc/passwd",
        "http://cdn.example/a.png",
        "https://cdn.example:8080/a.png",
        "https://odd.example/a.png",
        "https://api.provider.example:6379/",
        "https://evil.example/cdn.example",
        "https://cdn.example.evil.example/",
        "https://evilcdn.example/",
        "https://pictures.example/",
        "https://evilpictures.example/",
        "https://store.evil.blob.example/",
        "https://cdn.example@evil.example/",
        "https://evil.example\\@cdn.example/",
        "https://cdn.example\\.evil.example/",
        "https://user:word@cdn.example/",
        "https://cdn.example#@evil.example/",
        "https://cdn.example\r\nHost: evil.example/",
        "https://cdn.example/a b",
        "https://cdn.exämple/",
        "https://cdn.example./",
        "https://cdn.example:99999999/",
        "https://127.0.0.1/",
        "https://[::1]/",
    ],
)
def test_nothing_else_is_allowed_nor_fetched(url: str) -> None:
    assert not downloads().allows(url)
    with pytest.raises(Misconfigured):
        downloads().fetch(url)


def test_plain_http_is_for_those_who_configured_it() -> None:
    assert downloads("http://provider.internal:8080").allows("http://provider.internal:8080/a.png")
    assert downloads("http://provider.internal:8080").allows("https://cdn.example/a.png")
    assert not downloads().allows("http://api.provider.example/a.png")


def test_only_the_providers_own_hosts_are_trusted() -> None:
    assert downloads().trusts("https://api.provider.example/")
    assert downloads().trusts("https://api.eu4.provider.example/")
    assert not downloads().trusts("https://cdn.example/")
    assert not downloads().trusts("https://evil.example/")


def test_the_configured_host_may_be_private_and_gets_the_key() -> None:
    with Upstream.answering(answer(418, b"body")) as upstream:
        answered = downloads(upstream.address).fetch(f"{upstream.address}/a.png?sig=a%2Bb", headers=KEY)

    [received] = upstream.received
    assert (answered.status, answered.body) == (418, b"body")
    assert received.line == "GET /a.png?sig=a%2Bb HTTP/1.1"
    assert received.headers["x-key"] == KEY["x-key"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_other_host_may_lead_into_a_private_network(scheme: str, host: str) -> None:
    with Upstream.answering(answer(200)) as upstream:
        place = f"{host}:{upstream.address.rpartition(':')[2]}"
        listed = Downloads("http://provider.invalid", hosts=[place], limits=Limits(), connections=1)

        with pytest.raises(Misconfigured, match="private"):
            listed.fetch(f"{scheme}://{place}/", headers=KEY)

    assert upstream.received == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with Upstream.answering(answer(200)) as elsewhere:
        moved = answer(status, location=elsewhere.address)
        with Upstream.answering(moved) as upstream, pytest.raises(Misconfigured, match="redirects"):
            downloads(upstream.address).fetch(f"{upstream.address}/", headers=KEY)

    assert len(upstream.received) == 1
    assert elsewhere.received == []


def test_more_than_a_picture_can_be_is_given_up() -> None:
    with Upstream.answering(answer(200, bytes(2000))) as upstream, pytest.raises(Unavailable):
        downloads(upstream.address, answer_bytes=1000).fetch(f"{upstream.address}/")


def test_a_connection_that_fails_can_be_tried_again() -> None:
    with a_closed_port() as port, pytest.raises(Unavailable):
        downloads(f"http://127.0.0.1:{port}").fetch(f"http://127.0.0.1:{port}/")


def test_an_answer_that_breaks_off_can_be_asked_for_again() -> None:
    with Upstream.answering(answer(200, bytes(100))[:-1], hangs_up=True) as upstream, pytest.raises(Unavailable):
        downloads(upstream.address).fetch(f"{upstream.address}/")


def test_a_connection_is_kept_for_the_next_fetch() -> None:
    with Upstream.answering(answer(200)) as upstream:
        fetching = downloads(upstream.address)
        for _ in range(3):
            fetching.fetch(f"{upstream.address}/")

    assert (upstream.connections, len(upstream.received)) == (1, 3)


def test_no_error_shows_what_was_signed() -> None:
    with pytest.raises(Misconfigured) as caught:
        downloads().fetch("https://evil.example/a.png?sig=secret")

    assert "evil.example" in str(caught.value)
    assert "secret" not in str(caught.value)
