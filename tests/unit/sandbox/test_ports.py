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


def test_nobody_else_is_given_a_port_that_was_just_chosen() -> None:
    taken = range(12_300, 22_000)

    chosen = [ports.choose(taken) for _ in range(50)]

    assert len(set(chosen)) == len(chosen)


def test_a_server_may_listen_on_the_port_that_was_chosen_for_it() -> None:
    port = ports.choose(())

    with socket.create_server(("127.0.0.1", port)), socket.create_server(("127.0.0.1", port + ports.GRPC_OFFSET)):
        assert not ports.is_free(port)
