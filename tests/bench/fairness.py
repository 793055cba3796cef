"""What others notice of fifty thousand queued lines: a synchronous caller, and the submitter of a small batch."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from typing import Any

import requests

from tests.bench import load, upstream
from tests.bench.house import House
from tests.bench.load import Outcome
from tests.bench.pictures import SMALL
from tests.bench.table import Cell, ratio, say, show

SLOTS, FOR_BATCHES = 40, 36
RENDER_SECONDS = 2.0
LINES, FEW = 50_000, 100
CALLS, AT_ONCE = 60, 2
PATIENCE_SECONDS = 300


def measure(house: House) -> None:
    house.darkroom("providers", "slots", "openai", str(SLOTS))
    idle = _calls(house)

    big = _Submitter(house, "big")
    begun = time.monotonic()
    batch = big.submit(LINES)
    big.until(batch, lambda seen: seen["request_counts"]["completed"] > SLOTS)
    say(f"{LINES:,} lines: the first pictures after {time.monotonic() - begun:.1f} s")
    busy = _calls(house)
    seconds = _small_batch(house)
    big.ask("POST", f"batches/{batch}/cancel")

    rows: list[list[Cell]] = [["idle", *_figures(idle)], ["beside the batch", *_figures(busy)]]
    rows.append(["ratio", *(ratio(busy.percentile(share), idle.percentile(share)) for share in (50, 99)), ""])
    title = f"A synchronous caller, {RENDER_SECONDS:.0f} s a picture, {SLOTS} slots; milliseconds"
    show(title, ["", "p50", "p99", "failed"], rows)
    fair = FEW * RENDER_SECONDS / (FOR_BATCHES / 2)
    show(
        f"Another key's batch of {FEW} lines beside it; seconds",
        ["", "took", "its fair share", "ratio"],
        [["", seconds, fair, ratio(seconds, fair)]],
    )


def _calls(house: House) -> Outcome:
    plan = house.plan(SMALL, at_once=AT_ONCE, after=RENDER_SECONDS, calls=CALLS)
    return load.run(replace(plan, key=house.make_key("caller")))


def _small_batch(house: House) -> float:
    small, begun = _Submitter(house, "small"), time.monotonic()
    small.until(small.submit(FEW), lambda seen: seen["status"] == "completed")
    return time.monotonic() - begun


def _figures(outcome: Outcome) -> list[float | int]:
    return [outcome.percentile(50), outcome.percentile(99), outcome.failed]


class _Submitter:
    """A key that hands batches in."""

    def __init__(self, house: House, name: str) -> None:
        self._url = f"http://127.0.0.1:{house.port}/v1"
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {house.make_key(name)}"

    def ask(self, method: str, path: str, **given: Any) -> dict[str, Any]:
        answer = self._session.request(method, f"{self._url}/{path}", timeout=60, **given)
        answer.raise_for_status()
        body: dict[str, Any] = answer.json()
        return body

    def submit(self, lines: int) -> str:
        body = {"model": "dall-e-3", "prompt": upstream.prompt(SMALL, after=RENDER_SECONDS)}
        line = {"method": "POST", "url": "/v1/images/generations", "body": body}
        text = "\n".join(json.dumps({"custom_id": f"line-{number}", **line}) for number in range(lines))
        file = self.ask(
            "POST", "files", data={"purpose": "batch"}, files={"file": ("lines.jsonl", BytesIO(text.encode()))}
        )
        asked = {"input_file_id": file["id"], "endpoint": line["url"], "completion_window": "24h"}
        return str(self.ask("POST", "batches", json=asked)["id"])

    def until(self, batch: str, holds: Callable[[dict[str, Any]], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds(seen := self.ask("GET", f"batches/{batch}")):
            if seen["status"] == "failed" or time.monotonic() > deadline:
                raise SystemExit(f"the batch did not get there: {seen}")
            time.sleep(0.2)
