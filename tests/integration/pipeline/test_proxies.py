"""What a real server believes of headers that only proxies are to set."""

import requests

from tests.stack import Stack


def test_nobody_on_the_same_machine_is_believed_where_no_proxy_is_trusted(stack: Stack) -> None:
    stack.start("api")

    def ask(path: str, **headers: str) -> requests.Response:
        return requests.get(f"{stack.url}{path}", headers=headers, allow_redirects=False, timeout=10)

    assert ask("/ops", **{"X-Forwarded-Proto": "https"}).headers["Location"] == f"{stack.url}/ops/"
    # A proxy that keeps /ops inside would let this path pass.
    assert ask("/shop/ops/sign-in", SCRIPT_NAME="/shop").status_code == 404
