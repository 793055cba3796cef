import re
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest

from api.errors import FAILURES
from core import breaker, catalog_file
from core.fleet import BEAT_SECONDS
from core.ledger import DELIVERY, LEASE
from core.offers import Timeouts
from tests import errors_page
from tests.errors_page import Kind
from workers import retries, standing
from workers.errand import OUTCOMES

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
POLLED = {"bfl", "midjourney"}


def words_of(page: str) -> str:
    return " ".join((DOCS / page).read_text().split())


def rows(page: str, *, columns: int) -> Iterator[list[str]]:
    """The cells of every row of a page's tables of so many columns, without their back quotes."""
    for line in (DOCS / page).read_text().splitlines():
        cells = [cell.strip().replace("`", "") for cell in line.strip("|").split("|")]
        if line.startswith("| `") and len(cells) == columns:
            yield cells


@pytest.mark.parametrize(
    "words",
    [
        f"lease of {LEASE.total_seconds():g} s",
        f"extends those it is at work on every {BEAT_SECONDS:g} s",
        f"`dispatched` for more than {DELIVERY.total_seconds():g} s",
        f"until the {retries.MOST_FAILURES}th failure",
        f"until the {retries.MOST_STORE_FAILURES}th failure",
        f"{retries.LONGEST_DELAY.total_seconds():g} s at most",
        f"{retries.MOST_PATIENCE.total_seconds() / 60:g} minutes old",
        f"After {breaker.MOST_FAILURES} failed attempts in a row",
        f"taken out for {breaker.FIRST_REST.total_seconds():g} s",
        f"doubles it, up to {breaker.LONGEST_REST.total_seconds() / 60:g} minutes",
        f"for {standing.USUAL_PAUSE:g} s where it did not say",
    ],
)
def test_the_life_of_a_job_is_told_with_the_real_figures(words: str) -> None:
    assert words in words_of("job-lifecycle.md")


@pytest.mark.parametrize(
    "words",
    [
        f"After {breaker.MOST_FAILURES} attempts in a row",
        f"intervals of up to {breaker.LONGEST_REST.total_seconds() / 60:g} minutes",
    ],
)
def test_operators_are_told_when_a_provider_is_taken_out(words: str) -> None:
    assert words in words_of("operations.md")


def test_operators_are_told_the_slots_and_rates_of_the_catalog() -> None:
    _, entries = catalog_file.read(None)

    told = list(rows("operations.md", columns=5))

    assert told == [
        [
            entry.name,
            str(entry.slots),
            entry.rate or "none",
            str(entry.pictures_per_call),
            f"every {entry.poll_seconds:g} s, for {entry.deadline_seconds:g} s" if entry.name in POLLED else "",
        ]
        for entry in entries
    ]


@pytest.mark.parametrize("provider", ["openai", "stability"])
def test_a_providers_page_names_the_time_outs_of_a_call(provider: str) -> None:
    limits = Timeouts()

    assert f"{limits.read:g} s of silence, or {limits.whole:g} s" in words_of(f"providers/{provider}.md")


def test_callers_are_told_of_each_failure_what_the_answer_says() -> None:
    assert errors_page.failures() == {
        kind.value: Kind(answer.status, answer.type, answer.code, answer.retry)
        for kind, answer in FAILURES.items()
    }


def test_what_each_failure_leads_to_is_told_as_it_is() -> None:
    told = {
        kind: (attempts, health, outcome)
        for kind, _, attempts, _, health, outcome in rows("failures.md", columns=6)
    }

    assert set(told) == {kind.value for kind in FAILURES}
    assert {kind for kind, (attempts, *_) in told.items() if attempts == "none"} == {
        *map(str, retries.PERMANENT),
        "lost",
    }
    assert {kind for kind, (_, health, _) in told.items() if health == "a failure"} == set(
        map(str, standing.TROUBLE)
    )
    assert {kind.value: told[kind.value][2] for kind in OUTCOMES} == {
        kind.value: outcome.value for kind, outcome in OUTCOMES.items()
    }


@pytest.mark.parametrize("house", ["core", "api", "workers"])
def test_every_room_is_on_the_map(house: str) -> None:
    lines = (DOCS / "architecture.md").read_text().splitlines()
    tables = lines[lines.index(f"| Room of `{house}/` | For |") + 2 :]
    rows = takewhile(lambda line: line.startswith("|"), tables)

    told = [room for row in rows for room in re.findall(r"`(\w+)`", row.split("|")[1])]

    files = [path for path in (ROOT / house).iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    assert sorted(told) == sorted(path.stem for path in files if path.name != "__init__.py")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())

    assert [link for link in links if not (page.parent / link).exists()] == []


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_into_a_page_name_one_of_its_headings(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", page.read_text())

    assert [
        (name, anchor) for name, anchor in links if anchor not in anchors(page.parent / name if name else page)
    ] == []
