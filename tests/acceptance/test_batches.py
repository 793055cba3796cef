"""Five thousand lines over four providers, while all around them fails: none is lost, none is made twice."""

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import requests
from openai import OpenAI, OpenAIError
from redis import Redis

from tests.sandboxes import Sandbox, until

# Stability takes 15 calls a second, and locks out for a minute who sends more, as after a flush.
LINES = {"dall-e-2": 2500, "stable-diffusion-3": 700, "flux-1-pro": 1700, "midjourney-v6": 100}
TOTAL = sum(LINES.values())
SMALLEST = {"dall-e-2": "256x256"}
# A simulator remembers the last pictures it has drawn: to draw five thousand would take longer than all the rest.
SEEDS = {"stable-diffusion-3": {"seed": 7}, "flux-1-pro": {"seed": 7}}
PROMPTS = 8
# Each fault among successes, since many in a row would have a provider taken out for a while.
FAULTS = {
    "openai": ("server_error", "content_policy_violation", "drop", "garbage"),
    "stability": ("internal_error", "content_moderation", "drop", "truncated"),
    "bfl": ("server_error", "content_moderated", "poll_drop", "error"),
    "midjourney": ("bad_gateway", "banned_prompt"),
}
ROUNDS, SUCCESSES = 5, 6
SLOTS = {"openai": 40, "stability": 30, "midjourney": 12}
WORKERS = ["openai", "stability", "bfl", "midjourney"]
WITHIN = 480


class Darkroom:
    """A whole sandbox, and the hands that break it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        ready = sandbox.ready()
        self.client = OpenAI(api_key=ready["api_key"], base_url=ready["base_url"], max_retries=5)
        self._environment: dict[str, str] = ready["environment"]
        self._whole = {**os.environ, **self._environment}
        self.added: list[subprocess.Popen[bytes]] = []

    @staticmethod
    def _command(*arguments: str) -> list[str]:
        return [sys.executable, "-m", "darkroom", *arguments]

    def set_slots(self, provider: str, slots: int) -> None:
        subprocess.run(self._command("providers", "slots", provider, str(slots)), env=self._whole, check=True)

    def add_worker(self, provider: str) -> None:
        """One more process for a provider; it ends with the test."""
        self.added.append(subprocess.Popen(self._command("worker", "--provider", provider), env=self._whole))

    def kill(self, part: str) -> None:
        """As `kill -9` of all its processes; the supervisor puts another one in its place."""
        process = until(lambda: self._process_of(part), f"{part} runs")
        with suppress(psutil.NoSuchProcess):
            for each in [process, *process.children(recursive=True)]:
                os.kill(each.pid, signal.SIGKILL)

    def _process_of(self, part: str) -> psutil.Process | None:
        """What was killed a moment ago is in ready.json until another one is."""
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self._sandbox.ready()["parts"][part]["pid"])
        return None

    def flush(self) -> None:
        with Redis.from_url(self._environment["REDIS_URL"]) as redis:
            redis.flushall()

    def figure(self, query: str, **given: str) -> Any:
        """What a query of one figure finds on the ledger."""
        url = self._environment["DATABASE_URL"].replace("+psycopg", "")
        with psycopg.connect(url) as connection:
            row = connection.execute(query.encode(), given).fetchone()
        assert row
        return row[0]

    def control(self, provider: str, method: str, path: str, **body: Any) -> Any:
        address = self._sandbox.ready()["parts"][f"simulator-{provider}"]["address"]
        answer = requests.request(method, f"{address}/control{path}", json=body or None, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def has_done(self, batch: str, lines: int) -> bool:
        """Whether so many lines are known to be done; while the API is away, nothing is known."""
        with suppress(OpenAIError):
            counts = self.client.batches.retrieve(batch).request_counts
            return counts is not None and counts.completed + counts.failed >= lines
        return False


@pytest.fixture
def darkroom(tmp_path: Path) -> Iterator[Darkroom]:
    sandbox = Sandbox(tmp_path / "home", servers_only=False)
    darkroom = Darkroom(sandbox)
    try:
        yield darkroom
    finally:
        for process in darkroom.added:
            process.terminate()
            process.wait(timeout=30)
        sandbox.process.terminate()
        sandbox.process.wait(timeout=30)


def lines() -> list[dict[str, Any]]:
    made = [
        {
            "custom_id": f"{model}-{number}",
            "method": "POST",
            "url": "/v1/images/generations",
            "body": {
                "model": model,
                "prompt": f"lighthouse {number % PROMPTS}",
                "size": SMALLEST.get(model, "1024x1024"),
                **SEEDS.get(model, {}),
            },
        }
        for model, many in LINES.items()
        for number in range(many)
    ]
    random.Random(7).shuffle(made)
    return made


def rows(darkroom: Darkroom, file_id: str | None) -> list[dict[str, Any]]:
    if file_id is None:
        return []
    return [json.loads(line) for line in darkroom.client.files.content(file_id).text.splitlines()]


@pytest.mark.timeout(WITHIN + 120)
def test_a_batch_outlives_whatever_happens_around_it(darkroom: Darkroom) -> None:
    darkroom.add_worker("openai")
    for provider, slots in SLOTS.items():
        darkroom.set_slots(provider, slots)
    darkroom.control("midjourney", "PUT", "/account", core_size=SLOTS["midjourney"])
    for provider, faults in FAULTS.items():
        darkroom.control(provider, "PUT", "/latency", min=0.0, max=0.3)
        entries = [({"outcome": fault}, {"outcome": "success", "times": SUCCESSES}) for fault in faults]
        outcomes = [each for entry in entries for each in entry] * ROUNDS
        darkroom.control(provider, "POST", "/outcomes", outcomes=outcomes)
    text = "\n".join(json.dumps(line) for line in lines())
    file = darkroom.client.files.create(file=("lines.jsonl", BytesIO(text.encode())), purpose="batch")
    batch = darkroom.client.batches.create(
        input_file_id=file.id, endpoint="/v1/images/generations", completion_window="24h"
    )

    chance = random.Random(7)
    for number in range(1, 9):
        done = number * TOTAL // 10
        until(partial(darkroom.has_done, batch.id, done), f"{done} lines are done", within=WITHIN)
        if number == 1:  # what a worker has sent goes on at its provider when it is killed
            assert_slots_kept(darkroom)
        darkroom.kill(f"worker-{chance.choice(WORKERS)}")
        if number in (2, 6):
            darkroom.flush()
        if number in (3, 5):
            darkroom.kill({3: "api", 5: "clerk"}[number])
    until(partial(darkroom.has_done, batch.id, TOTAL), "every line is done", within=WITHIN)
    until(lambda: darkroom.client.batches.retrieve(batch.id).status == "completed", "the batch has ended")

    ended = darkroom.client.batches.retrieve(batch.id)
    output, errors = rows(darkroom, ended.output_file_id), rows(darkroom, ended.error_file_id)
    assert ended.request_counts
    assert ended.request_counts.model_dump() == {"total": TOTAL, "completed": len(output), "failed": len(errors)}
    told = Counter(row["custom_id"] for row in output + errors)
    assert told == Counter(line["custom_id"] for line in lines())
    assert_paid_once(darkroom)


def assert_paid_once(darkroom: Darkroom) -> None:
    """Each picture was charged once, but for calls that are on record as doubtful; and slots were kept."""
    assert darkroom.figure("SELECT sum(amount) FROM postings WHERE account = 'reserved'") == 0
    calls = "SELECT count(*) FROM provider_calls WHERE provider = %(provider)s AND outcome = %(outcome)s"
    for provider in WORKERS:
        delivered = darkroom.figure(calls, provider=provider, outcome="delivered")
        doubtful = darkroom.figure(calls, provider=provider, outcome="unknown")
        charged = darkroom.control(provider, "GET", "/state")["charges"]
        print(f"{provider}: {delivered} delivered, {doubtful} doubtful, {charged} charged")
        assert delivered <= charged <= delivered + doubtful


def assert_slots_kept(darkroom: Darkroom) -> None:
    for provider, slots in SLOTS.items():
        assert 0 < darkroom.control(provider, "GET", "/state")["most_in_flight"] <= slots
