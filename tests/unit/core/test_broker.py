import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from uuid import uuid4

from core.broker import Broker, create_celery

# How a client begins to speak TLS.
HANDSHAKE = b"\x16\x03"


def test_a_broker_that_is_reached_by_tls_hears_nothing_in_the_clear() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        port = server.getsockname()[1]
        with closing(Broker(create_celery(f"rediss://:hush@127.0.0.1:{port}/0"))) as broker:
            publishing = pool.submit(broker.publish, "openai", [uuid4()])
            line, _ = server.accept()
            heard = line.recv(64)
            server.close()
            line.close()
            publishing.result(timeout=30)

    assert heard.startswith(HANDSHAKE)
