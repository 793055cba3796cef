import stat
from pathlib import Path

import pytest

from sandbox import ports
from sandbox.home import Home, Ready, Refused

READY = Ready(
    "http://127.0.0.1:8000/v1", "a-key", "a-password", {}, {"api": {"address": None, "pid": 1, "log": "api.log"}}
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_ports_and_secrets_are_made_once(tmp_path: Path) -> None:
    with (home := Home(tmp_path / "home")).occupied():
        first = home.port("valkey"), home.secret("valkey")

    with (again := Home(tmp_path / "home")).occupied():
        second = again.port("valkey"), again.secret("valkey")

    assert first == second


def test_a_kept_port_that_somebody_else_took_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (home := Home(tmp_path)).occupied():
        kept = home.port("valkey")
    is_free = ports.is_free
    monkeypatch.setattr(ports, "is_free", lambda port: port != kept and is_free(port))

    with (again := Home(tmp_path)).occupied():
        replaced = again.port("valkey")

    assert replaced != kept


def test_two_names_never_share_a_port(tmp_path: Path) -> None:
    with (home := Home(tmp_path)).occupied():
        taken = [home.port(str(number)) for number in range(20)]

    assert len(set(taken)) == len(taken)


def test_what_holds_secrets_is_its_owners_alone(tmp_path: Path) -> None:
    with (home := Home(tmp_path / "home")).occupied():
        home.secret("valkey")
        home.announce(READY)

        modes = {mode(home.folder), mode(home.logs)}, {mode(home.folder / "state.json"), mode(home.ready_file)}

    assert modes == ({0o700}, {0o600})


def test_a_folder_that_was_there_before_keeps_its_mode(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)

    with Home(shared).occupied():
        pass

    assert mode(shared) == 0o755


def test_a_folder_serves_one_sandbox_at_a_time(tmp_path: Path) -> None:
    with (
        Home(tmp_path).occupied(),
        pytest.raises(Refused, match="another sandbox is running"),
        Home(tmp_path).occupied(),
    ):
        pytest.fail("two sandboxes share a folder")


def test_ready_json_is_gone_after_a_stop(tmp_path: Path) -> None:
    with (home := Home(tmp_path)).occupied():
        home.announce(READY)
        was_there = home.ready_file.exists()

    assert (was_there, home.ready_file.exists()) == (True, False)


def test_ready_json_of_a_killed_sandbox_is_gone_at_the_next_start(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.ready_file.write_text("{}")

    with home.occupied():
        assert not home.ready_file.exists()


def test_a_forgotten_secret_is_made_anew(tmp_path: Path) -> None:
    with (home := Home(tmp_path)).occupied():
        first = home.secret("api_key")

        home.forget("api_key")

        assert home.secret("api_key") != first
