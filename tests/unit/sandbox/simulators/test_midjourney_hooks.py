from collections.abc import Iterator

import pytest
import requests

from tests.providers.simulator import Simulator
from tests.providers.upstream import Upstream, answer
from tests.stack import until

SECRET = "hush"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator.running("midjourney", SECRET) as simulator:
        yield simulator


def imagine(simulator: Simulator, hook: str) -> str:
    body = {"prompt": "a fox", "notifyHook": hook, "state": "ours"}
    path = f"{simulator.address}/mj/submit/imagine"
    return str(requests.post(path, json=body, headers={"mj-api-secret": SECRET}, timeout=5).json()["result"])


def test_a_hook_hears_of_each_change_until_the_end(simulator: Simulator) -> None:
    simulator.take(min=0.5, max=0.5)

    with Upstream.answering(answer(500)) as listener:
        task_id = imagine(simulator, f"{listener.address}/hook")
        until(lambda: listener.received and listener.received[-1].json()["status"] == "SUCCESS", "it is done")

    heard = [received.json() for received in listener.received]
    assert {(task["id"], task["state"]) for task in heard} == {(task_id, "ours")}
    assert [task["status"] for task in heard].count("SUCCESS") == 1
    assert "IN_PROGRESS" in [task["status"] for task in heard]
    assert heard[-1]["imageUrl"].startswith(simulator.address)


@pytest.mark.parametrize(
    "hook", ["https://127.0.0.1:{}/", "http://127.0.0.1.nip.io:{}/", "file:///etc/passwd", "x"]
)
def test_a_hook_elsewhere_is_left_alone(simulator: Simulator, hook: str) -> None:
    simulator.take(min=0, max=0)

    with Upstream.answering(answer(200)) as listener, Upstream.answering(answer(200)) as witness:
        imagine(simulator, hook.format(listener.server_address[1]))
        imagine(simulator, witness.address)
        until(lambda: witness.received, "the other hook is heard")

    assert listener.connections == 0
