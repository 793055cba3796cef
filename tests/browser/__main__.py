"""Photographs every page of the dashboard, on a house with some traffic: ./run screenshots FOLDER."""

import json
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from itertools import product
from pathlib import Path
from typing import Any

import requests
from openai import APIError, OpenAI
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import text

from core import history
from core.database import Database
from tests.browser import chromium
from tests.sandboxes import Sandbox, until

PAGES = {
    **{name: f"/ops/{name}" for name in ("jobs", "batches", "gallery", "providers", "workers", "keys", "money")},
    **{name: f"/ops/{name}" for name in ("webhooks", "operations", "audit")},
    "overview": "/ops/",
}
# A page that is reached by the first row of another.
BEHIND = {"job": "/ops/jobs?state=completed&lane=interactive", "batch": "/ops/batches", "key": "/ops/keys"}
THEMES = ("light", "dark")
SIZES = {"wide": (1440, 900), "narrow": (390, 844)}
PROMPTS = (
    *("A lighthouse above a calm sea at dawn", "A fox asleep in tall grass", "An old observatory in the snow"),
    *("A market street after rain", "A glass house among pines", "A quiet harbour with red boats"),
)
LINES = 400
# Pictures come once they are scrolled to.
ALL_SEEN = "[...document.images].every((each) => each.complete || each.getBoundingClientRect().top > innerHeight)"
# What was counted in the last minutes, as if the hours before had been like it, but for a model now and then.
LIKEWISE_BEFORE = text("""
INSERT INTO history SELECT (jsonb_populate_record(now, jsonb_build_object('at', now.at - ago * lately.span))).*
FROM history AS now CROSS JOIN generate_series(1, 360) AS ago CROSS JOIN (
    SELECT max(at) - min(at) + interval '1 min' AS span FROM history WHERE grain = 'minute'
) AS lately
WHERE now.grain = 'minute' AND ago * lately.span < interval '6 hours' AND abs(hashtext(now.model || ago)) % 4 > 0
""")
# By magic words, of which the simulators know these.
TROUBLES = ("content_policy_violation", "insufficient_quota", "moderation_blocked")


def main(folder: Path) -> None:
    path = chromium.found()
    if path is None:
        sys.exit("no Chromium on this machine")
    folder.mkdir(parents=True, exist_ok=True)
    with house() as ready, chromium.browser(path) as browser:
        address = ready["base_url"].removesuffix("/v1")
        keep_busy(ready)
        for theme, (size, (width, height)) in product(THEMES, SIZES.items()):
            page = open_page(browser, theme, width, height)
            photograph(page, f"{address}/ops/sign-in", folder / f"sign-in-{theme}-{size}.png")
            sign_in(page, ready["password"])
            for name, where in PAGES.items():
                photograph(page, address + where, folder / f"{name}-{theme}-{size}.png")
            for name, where in BEHIND.items():
                page.goto(address + where)
                behind = page.locator("tbody tr[data-href]").first.get_attribute("data-href")
                photograph(page, f"{address}{behind}", folder / f"{name}-{theme}-{size}.png")
            page.context.close()


@contextmanager
def house() -> Iterator[dict[str, Any]]:
    """A sandbox of its own, as its ready.json tells of it."""
    with tempfile.TemporaryDirectory() as home:
        sandbox = Sandbox(Path(home, "home"), servers_only=False)
        try:
            yield sandbox.ready()
        finally:
            sandbox.process.terminate()
            sandbox.process.wait(timeout=30)


def keep_busy(ready: dict[str, Any]) -> None:
    """Some of everything: jobs of all models, refused and failed ones, batches, a webhook that nobody answers."""
    client = OpenAI(api_key=ready["api_key"], base_url=ready["base_url"], max_retries=0)
    hook = {"url": "https://hooks.example.com/darkroom"}
    headers = {"Authorization": f"Bearer {ready['api_key']}"}
    requests.post(f"{ready['base_url']}/webhooks", json=hook, headers=headers, timeout=10).raise_for_status()
    batch_id = begin_batch(client)
    models = [model.id for model in client.models.list()]

    def ask(number: int) -> None:
        model, prompt = models[number % len(models)], PROMPTS[number % len(PROMPTS)]
        if model.startswith("dall-e") and number % 4 == 0:
            prompt += f" [[{TROUBLES[number % len(TROUBLES)]}]]"
        with suppress(APIError):
            client.images.generate(model=model, prompt=prompt)

    with ThreadPoolExecutor(12) as callers:
        list(callers.map(ask, range(90)))
    until(lambda: client.batches.retrieve(batch_id).status == "completed", "the batch is done", within=300)
    remember_hours(ready["environment"]["DATABASE_URL"])
    begin_batch(client)


def remember_hours(database_url: str) -> None:
    """For charts: a house that was begun a minute ago has none to show."""
    with closing(Database(database_url)) as database:
        until(lambda: _is_added_up(database), "what happened is added up")
        with database.transaction() as session:
            session.execute(LIKEWISE_BEFORE)


def _is_added_up(database: Database) -> bool:
    with database.transaction() as session:
        return not history.lag(session)


def begin_batch(client: OpenAI) -> str:
    lines = [
        {
            "custom_id": f"line-{number}",
            "method": "POST",
            "url": "/v1/images/generations",
            "body": {"model": ("dall-e-3", "flux-1-pro")[number % 2], "prompt": PROMPTS[number % len(PROMPTS)]},
        }
        for number in range(LINES)
    ]
    wanted = "\n".join(json.dumps(line) for line in lines).encode()
    file = client.files.create(file=("prompts.jsonl", wanted), purpose="batch")
    return client.batches.create(
        input_file_id=file.id, endpoint="/v1/images/generations", completion_window="24h"
    ).id


def open_page(browser: Browser, theme: str, width: int, height: int) -> Page:
    scheme: Any = theme
    return browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme).new_page()


def sign_in(page: Page, password: str) -> None:
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def photograph(page: Page, address: str, path: Path) -> None:
    """The whole length of a page on a phone, else what is seen at first."""
    page.goto(address)
    if page.locator("#pulse").count():
        expect(page.locator("#pulse")).to_contain_text("live ·")
    until(lambda: page.evaluate(ALL_SEEN), "the pictures are there")
    page.screenshot(path=path, full_page=path.stem.endswith("narrow"))
    sys.stdout.write(f"{path.name}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
