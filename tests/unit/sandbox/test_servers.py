from sandbox import servers


def test_no_proxy_stands_between_the_parts() -> None:
    environment = servers.surroundings({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "intranet"})

    assert environment["NO_PROXY"] == "intranet,127.0.0.1,localhost"


def test_what_the_operator_set_reaches_the_parts() -> None:
    environment = servers.surroundings({"DARKROOM_WAIT_SECONDS": "30"})

    assert environment["DARKROOM_WAIT_SECONDS"] == "30"
