"""Where events may be sent, on real sockets; the addresses that a name has are the test's."""

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from threading import Event, Thread

import pytest

from core import hosts
from core.hosts import AllowedHost
from tests.receiver import Answer, Receiver
from tests.stack import until
from workers.lookups import MOST_AT_ONCE, Lookups, Resolve
from workers.targets import MOST_ADDRESSES, Targets, Unreachable

LOOPBACK, INTERNAL = hosts.allowed("127.0.0.1"), hosts.allowed("hooks.internal")


class Names:
    """What each look-up of any name finds, one after the other; the last again and again."""

    def __init__(self, *found: Sequence[str]) -> None:
        self._found = list(found)
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> Sequence[str]:  # noqa: ARG002 - as a Resolve
        self.asked.append(host)
        return self._found.pop(0) if len(self._found) > 1 else self._found[0]


def post(
    url: str, *, allowed: Sequence[AllowedHost] = LOOPBACK, resolve: Resolve | None = None, whole: float = 5.0
) -> int:
    given = {"resolve": resolve} if resolve else {}
    return Targets(allowed, whole=whole, **given).post(url, b"{}", {"webhook-id": "msg_1"}).status


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def test_an_allowed_host_gets_the_request_as_it_is(receiver: Receiver) -> None:
    status = post(receiver.url)

    [got] = receiver.got
    assert (status, got.path, got.body) == (204, "/hook?shop=7", b"{}")
    assert (got.name, got.headers["host"]) == ("msg_1", f"127.0.0.1:{receiver.port}")


@pytest.mark.parametrize("found", [["127.0.0.1"], ["::1"], ["10.0.0.1", "169.254.169.254"], []])
def test_a_name_that_leads_into_a_network_is_not_connected_to(receiver: Receiver, found: list[str]) -> None:
    with pytest.raises(Unreachable, match=r"^the host has no public address$"):
        post(f"https://rebound.example:{receiver.port}/", resolve=Names(found))

    assert receiver.got == []


def test_a_name_is_looked_up_once_and_only_what_was_checked_is_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second answer is the trap of DNS rebinding."""
    tried: list[object] = []

    def connect(_: socket.socket, address: object) -> None:
        tried.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", connect)
    names = Names(["8.8.8.8"], ["127.0.0.1"])

    with pytest.raises(Unreachable, match=r"^the connection was refused$"):
        post("https://rebound.example/", resolve=names)

    assert (names.asked, tried) == (["rebound.example"], [("8.8.8.8", 443)])


def test_a_name_is_checked_at_every_connection(receiver: Receiver) -> None:
    names = Names(["127.0.0.1"])
    targets = Targets(INTERNAL, resolve=names)

    assert targets.post(f"http://hooks.internal:{receiver.port}/", b"", {}).status == 204
    with pytest.raises(Unreachable, match="no public address"):
        targets.post(f"https://elsewhere.internal:{receiver.port}/", b"", {})


def test_without_tls_only_allowed_hosts_are_told() -> None:
    with pytest.raises(Unreachable, match=r"^not an https address$"):
        post("http://example.org/", resolve=Names(["8.8.8.8"]))


def test_another_port_of_an_allowed_host_is_not_allowed(receiver: Receiver) -> None:
    allowed = hosts.allowed(f"127.0.0.1:{receiver.port + 1}")

    with pytest.raises(Unreachable):
        post(receiver.url, allowed=allowed)

    assert receiver.got == []


def test_no_proxy_of_the_environment_is_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    assert post(receiver.url) == 204


def test_a_redirect_is_an_answer_and_not_followed() -> None:
    with Receiver() as elsewhere, Receiver(Answer(302, {"location": elsewhere.url})) as receiver:
        assert post(receiver.url) == 302

        assert (len(receiver.got), elsewhere.got) == (1, [])


def test_tls_is_spoken_with_the_name_of_the_host() -> None:
    """The first message of a TLS connection tells it in the clear."""
    heard: list[bytes] = []

    def hear(line: socket.socket) -> None:
        connection, _ = line.accept()
        with connection:
            heard.append(connection.recv(4096))

    with listening(hear) as port, pytest.raises(Unreachable, match=r"^no TLS connection|^no answer: "):
        post(f"https://hooks.internal:{port}/", allowed=INTERNAL, resolve=Names(["127.0.0.1"]))

    assert b"hooks.internal" in heard[0]


def test_a_refused_connection_is_told_as_such() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

    with pytest.raises(Unreachable, match=r"^the connection was refused$"):
        post(f"http://127.0.0.1:{port}/")


def test_of_several_addresses_the_first_that_answers_is_taken(receiver: Receiver) -> None:
    names = Names(["::1", "127.0.0.1"])

    assert post(f"http://hooks.internal:{receiver.port}/", allowed=INTERNAL, resolve=names)


@contextmanager
def listening(behaviour: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that speaks no HTTP, at this port."""
    with socket.create_server(("127.0.0.1", 0)) as line:
        thread = Thread(target=behaviour, args=(line,))
        thread.start()
        yield line.getsockname()[1]
        thread.join()


def trickle(line: socket.socket) -> None:
    """Headers without end."""
    connection, _ = line.accept()
    with connection:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        try:
            while True:
                connection.sendall(b"x")
                time.sleep(0.05)
        except OSError:
            return


def silence(line: socket.socket) -> None:
    connection, _ = line.accept()
    with connection:
        connection.settimeout(10)
        while connection.recv(1000):
            pass


@pytest.mark.parametrize("behaviour", [trickle, silence])
def test_a_receiver_has_so_many_seconds_in_all(behaviour: Callable[[socket.socket], None]) -> None:
    began = time.monotonic()

    with listening(behaviour) as port, pytest.raises(Unreachable, match=r"^no answer within 0.5 s$"):
        post(f"http://127.0.0.1:{port}/", whole=0.5)

    assert time.monotonic() - began < 3


@contextmanager
def unresponsive() -> Iterator[int]:
    """A port at which nobody answers: connections beyond those that fill its queue are left waiting."""
    with ExitStack() as kept, socket.create_server(("127.0.0.1", 0), backlog=0) as line:
        for _ in range(3):
            filler = kept.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(line.getsockname())
        yield line.getsockname()[1]


def test_addresses_that_do_not_answer_share_the_seconds_of_a_try() -> None:
    names = Names(["127.0.0.1"] * 6)
    began = time.monotonic()

    with unresponsive() as port, pytest.raises(Unreachable, match=r"^no answer within 0.5 s$"):
        post(f"http://hooks.internal:{port}/", allowed=INTERNAL, resolve=names, whole=0.5)

    assert time.monotonic() - began < 3


def test_of_many_addresses_only_the_first_few_are_tried(receiver: Receiver) -> None:
    names = Names([*["::1"] * MOST_ADDRESSES, "127.0.0.1"])

    with pytest.raises(Unreachable):
        post(f"http://hooks.internal:{receiver.port}/", allowed=INTERNAL, resolve=names)

    assert receiver.got == []


class SilentServer:
    """A name server that answers nobody until it is let go."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.let_go = Event()

    def __call__(self, host: str, port: int) -> Sequence[str]:  # noqa: ARG002 - as a Resolve
        self.asked.append(host)
        self.let_go.wait(20)
        return ["127.0.0.1"]


@pytest.fixture
def silent() -> Iterator[SilentServer]:
    silent = SilentServer()
    yield silent
    silent.let_go.set()


def test_a_name_server_that_does_not_answer_holds_no_try_beyond_its_seconds(silent: SilentServer) -> None:
    began = time.monotonic()

    with pytest.raises(Unreachable, match=r"^no answer within 0.5 s$"):
        post("https://hooks.example/", resolve=silent, whole=0.5)

    assert time.monotonic() - began < 3


def test_look_ups_that_hang_are_bounded_and_leave_their_places_when_they_end(silent: SilentServer) -> None:
    lookups = Lookups(silent)
    for _ in range(MOST_AT_ONCE + 1):
        with pytest.raises(TimeoutError):
            lookups.find("hooks.example", 443, deadline=time.monotonic())
    until(lambda: len(silent.asked) == MOST_AT_ONCE, "all that there is room for are under way", within=10)

    silent.let_go.set()

    assert lookups.find("hooks.example", 443, deadline=time.monotonic() + 10) == ["127.0.0.1"]
    assert len(silent.asked) == MOST_AT_ONCE + 1
