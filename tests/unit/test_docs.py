import re
from pathlib import Path

import pytest

from core.ledger import DELIVERY, LEASE
from workers import retries
from workers.heartbeat import BEAT_SECONDS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
LIFECYCLE = " ".join((ROOT / "docs" / "job-lifecycle.md").read_text().split())


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
    ],
)
def test_the_life_of_a_job_is_told_with_the_real_figures(words: str) -> None:
    assert words in LIFECYCLE


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())

    assert [link for link in links if not (page.parent / link).exists()] == []
