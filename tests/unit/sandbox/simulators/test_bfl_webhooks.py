import json

import requests

from tests.providers.simulator import Simulator
from tests.providers.upstream import Upstream, answer
from tests.stack import until

KEY = {"x-key": "a-key"}


def test_who_wants_to_be_called_back_is_told_what_a_poll_would_tell() -> None:
    with Simulator.running("bfl", KEY["x-key"]) as simulator, Upstream.answering(answer(204)) as hook:
        body = {"prompt": "a fox", "width": 256, "height": 256, "webhook_url": hook.address}
        url = f"{simulator.address}/v1/flux-pro-1.1"
        submitted = requests.post(url, json=body, headers=KEY, timeout=5).json()

        until(lambda: len(hook.received) == 1, "the hook is called")
        told = json.loads(hook.received[0].body)
        picture = requests.get(told["result"]["sample"], timeout=5)

    assert (told["id"], told["status"]) == (submitted["id"], "Ready")
    assert picture.headers["Content-Type"] == "image/jpeg"
