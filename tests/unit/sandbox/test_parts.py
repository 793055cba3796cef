from pathlib import Path

from sandbox import parts
from sandbox.home import Home

[OPENAI] = [upstream for upstream in parts.UPSTREAMS if upstream.provider == "openai"]


def test_a_provider_without_a_key_is_simulated() -> None:
    assert OPENAI in parts.simulated({"OPENAI_API_KEY": ""})


def test_a_key_in_the_environment_means_the_real_provider() -> None:
    assert OPENAI not in parts.simulated({"OPENAI_API_KEY": "sk-real"})


def test_the_pool_is_pointed_at_its_simulator(tmp_path: Path) -> None:
    with (home := Home(tmp_path)).occupied():
        settings = parts.upstream_settings(home, OPENAI)
        simulator = parts.simulator(home, OPENAI, environment={})

    assert settings["OPENAI_BASE_URL"] == f"{simulator.address}/v1"
    assert settings["OPENAI_API_KEY"] in simulator.argv
