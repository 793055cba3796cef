"""What a part has used: processor time, memory, connections to Postgres; its child processes included."""

from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import psutil

from tests.bench.house import House

MEGABYTE = 1024 * 1024


def cpu_seconds(house: House) -> dict[str, float]:
    """Seconds of processor time by part since it started, those of its ended children included."""
    return {name: sum(_cpu(process) for process in _alive(house, name)) for name in house.pids}


def machine_seconds() -> float:
    """Processor seconds that the whole machine has been busy: what strangers use disturbs the figures."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system)


def resident(house: House) -> dict[str, float]:
    """Resident megabytes by part; pages that two processes of a part share count for each."""
    return {
        name: sum(process.memory_info().rss for process in _alive(house, name)) / MEGABYTE for name in house.pids
    }


def postgres_connections(house: House) -> dict[str, int]:
    """Open connections to Postgres by part."""
    port = urlsplit(house.environment["DATABASE_URL"]).port
    counts = {
        name: sum(
            connection.status == psutil.CONN_ESTABLISHED and connection.raddr.port == port
            for process in _alive(house, name)
            for connection in process.net_connections("tcp")
        )
        for name in house.pids
        if name != "postgres"
    }
    return {name: count for name, count in counts.items() if count}


def _cpu(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0


def _alive(house: House, name: str) -> Iterator[psutil.Process]:
    for process in house.part(name):
        if process.is_running():
            yield process
