import asyncio
from pathlib import Path

import pytest

from sandbox.readiness import logged
from sandbox.service import Log


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "worker.log")


def write(log: Log, line: str) -> None:
    with log.open() as file:
        file.write(line.encode() + b"\n")


def test_a_part_is_ready_once_it_has_logged_its_event(log: Log) -> None:
    write(log, '{"event": "worker.ready", "provider": "openai"}')

    assert asyncio.run(logged("worker.ready")(log))


def test_an_event_of_an_earlier_life_does_not_count(log: Log) -> None:
    write(log, '{"event": "worker.ready"}')

    write(log, '{"event": "worker.started"}')

    assert not asyncio.run(logged("worker.ready")(log))


def test_a_line_that_only_mentions_the_event_does_not_count(log: Log) -> None:
    write(log, "waiting for worker.ready")

    assert not asyncio.run(logged("worker.ready")(log))


def test_the_last_lines_of_a_long_log_are_found(log: Log) -> None:
    write(log, "\n".join(f"line {number}" for number in range(5000)))

    assert log.last_lines(2) == ["line 4998", "line 4999"]
