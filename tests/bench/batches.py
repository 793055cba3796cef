"""What a file of 50,000 lines costs: beside a plain COPY of the same rows, and in memory."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import psycopg
import requests

from tests.bench.house import House
from tests.bench.table import say

LINES = 50_000
# As long as a prompt may be; the file is as large as files may be.
WIDEST = 4000
MEBIBYTE = 1024 * 1024
ENDPOINT = "/v1/images/generations"
PATIENCE_SECONDS = 300.0


def measure(house: House) -> None:
    """Lines to jobs, and the same jobs by COPY; nothing starts meanwhile."""
    house.darkroom("providers", "slots", "openai", "0")
    say(f"{LINES} short lines:")
    with _growing(house):
        batch_id = _submit(house, _file(LINES, prompt="a fox in the snow"))
        ingest = _ingest(house, batch_id)
    copy = sorted(_copy(house, batch_id) for _ in range(3))[1]
    say(f"  from the batch's creation to its last job {ingest:.2f} s")
    say(f"  COPY of the same rows {copy:.2f} s: {ingest / copy:.2f} times that")
    say(f"{LINES} lines of {WIDEST} characters:")
    with _growing(house):
        _ingest(house, _submit(house, _file(LINES, prompt="x" * WIDEST)))


def _file(lines: int, *, prompt: str) -> bytes:
    body = {"model": "dall-e-3", "prompt": prompt}
    return b"".join(
        json.dumps({"custom_id": f"line-{number}", "method": "POST", "url": ENDPOINT, "body": body}).encode()
        + b"\n"
        for number in range(lines)
    )


def _submit(house: House, body: bytes) -> str:
    headers = {"Authorization": f"Bearer {house.key}"}
    root = f"http://127.0.0.1:{house.port}/v1"
    form = {"file": ("prompts.jsonl", body)}
    file = requests.post(f"{root}/files", headers=headers, data={"purpose": "batch"}, files=form, timeout=120)
    asked = {"input_file_id": file.json()["id"], "endpoint": ENDPOINT, "completion_window": "24h"}
    made = requests.post(f"{root}/batches", headers=headers, json=asked, timeout=30)
    batch_id: str = made.json()["id"]
    return batch_id


def _ingest(house: House, batch_id: str) -> float:
    """Seconds from the batch's creation to its last job, by the database's clock."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    done = "SELECT id FROM batches WHERE read_lines = total AND total > 0"
    while (batch_id,) not in house.ask(done):
        assert time.monotonic() < deadline
        time.sleep(0.25)
    took = """
        SELECT batches.id, extract(epoch FROM max(at) - batches.created_at)
        FROM batches JOIN jobs ON jobs.batch_id = batches.id JOIN job_events ON job_events.job_id = jobs.id
        GROUP BY batches.id
    """
    return float(dict(house.ask(took))[batch_id])


def _copy(house: House, batch_id: str) -> float:
    """Seconds for the same jobs and their events, read beforehand, into the same tables; rolled back."""
    url = house.environment["DATABASE_URL"].replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TEMP TABLE again AS SELECT * FROM jobs WHERE batch_id = %s", (batch_id,))
        connection.execute("UPDATE again SET id = uuidv7(), line = line + 1000000")
        jobs = _dump(connection, "COPY again TO STDOUT")
        events = _dump(connection, "COPY (SELECT id, 'recorded', 0 FROM again) TO STDOUT")
        begun = time.monotonic()
        _load(connection, "COPY jobs FROM STDIN", jobs)
        _load(connection, "COPY job_events (job_id, event, attempt) FROM STDIN", events)
        seconds = time.monotonic() - begun
        connection.rollback()
    return seconds


def _dump(connection: psycopg.Connection[Any], statement: str) -> list[bytes]:
    with connection.cursor().copy(statement.encode()) as source:
        return [bytes(piece) for piece in source]


def _load(connection: psycopg.Connection[Any], statement: str, pieces: list[bytes]) -> None:
    with connection.cursor().copy(statement.encode()) as target:
        for piece in pieces:
            target.write(piece)


@contextmanager
def _growing(house: House) -> Iterator[None]:
    """Tell how much more memory API and clerk had in the block, at most, than at its beginning."""
    stop, parts = Event(), ("api", "clerk")
    before = {part: _resident(house, part) for part in parts}
    most = dict(before)

    def watch() -> None:
        while not stop.wait(0.1):
            for part in parts:
                most[part] = max(most[part], _resident(house, part))

    watching = Thread(target=watch)
    watching.start()
    yield
    stop.set()
    watching.join()
    for part in parts:
        grown = (most[part] - before[part]) / MEBIBYTE
        say(f"  {part} grew by {grown:.0f} MiB at most, from {before[part] / MEBIBYTE:.0f}")


def _resident(house: House, part: str) -> int:
    return sum(process.memory_info().rss for process in house.part(part))
