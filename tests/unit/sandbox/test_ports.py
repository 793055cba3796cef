import socket

from sandbox import ports


def test_a_port_with_a_listener_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        assert not ports.is_free(port)


def test_a_port_is_free_again_when_its_listener_is_gone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    assert ports.is_free(port)


def test_a_taken_port_is_not_chosen() -> None:
    taken = set(range(12_000, 21_990))

    assert ports.choose(taken) not in taken
