import requests
from openai import OpenAI


def test_a_url_is_dead_after_an_hour_of_the_simulators_clock(client: OpenAI, address: str) -> None:
    answer = client.images.generate(model="dall-e-2", prompt="a fox", size="256x256")
    url = str((answer.data or [])[0].url)

    statuses = []
    for seconds in (0, 3540, 120):
        requests.put(f"{address}/control/clock", json={"advance_seconds": seconds}, timeout=5)
        statuses.append(requests.get(url, timeout=5).status_code)

    assert statuses == [200, 200, 403]


def test_a_url_with_another_signature_is_forbidden(client: OpenAI) -> None:
    answer = client.images.generate(model="dall-e-2", prompt="a fox", size="256x256")
    url = str((answer.data or [])[0].url)

    forged = requests.get(url.partition("sig=")[0] + "sig=guessed", timeout=5)

    assert forged.status_code == 403
    assert "AuthenticationFailed" in forged.text
