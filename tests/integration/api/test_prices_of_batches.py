"""Batches whose lines have other prices when they become jobs than when they were accepted."""

from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from threading import Event

import pytest

from api.batches.clerk import Clerk
from core.bootstrap import assemble
from tests.integration.api.batching import Submitter, line
from tests.integration.api.test_broken_batches import NOTHING, accepted, moved

OLD, CHEAPER, DEARER = Decimal("0.053"), Decimal("0.01"), Decimal("0.5")
LINES = [line("a"), line("b"), line("c")]


def look_at(submitter: Submitter, price: Decimal, folder: Path) -> None:
    """The next clerk sees to all batches; pictures have this price."""
    catalog = folder / "own.toml"
    catalog.write_text(f'models.dall-e-2.prices.256x256.standard = "{price}"\n')
    with closing(assemble(replace(submitter.services.settings, catalog=str(catalog)))) as services:
        Clerk(services, Event()).look()


@pytest.mark.parametrize("made", [0, 1])
@pytest.mark.parametrize("new", [CHEAPER, DEARER])
def test_what_is_set_aside_follows_the_prices_of_lines_that_are_no_jobs_yet(
    submitter: Submitter, tmp_path: Path, new: Decimal, made: int
) -> None:
    batch_id = accepted(submitter, *LINES, made=made)

    look_at(submitter, new, tmp_path)

    price = OLD * made + new * (len(LINES) - made)
    batch = submitter.batch(batch_id)
    assert (batch["status"], Decimal(batch["reserved_usd"])) == ("in_progress", price)
    assert moved(submitter, batch_id)[0] == price
    submitter.complete(batch_id)
    submitter.clerk.look()
    batch = submitter.batch(batch_id)
    assert (batch["status"], Decimal(batch["cost_usd"])) == ("completed", price)
    assert moved(submitter, batch_id) == (NOTHING, NOTHING, price)


def test_a_batch_whose_lines_become_too_dear_makes_no_more_of_them(submitter: Submitter, tmp_path: Path) -> None:
    poor = Submitter.make(submitter.services, submitter.client, cap=OLD * len(LINES))
    batch_id = accepted(poor, *LINES, made=1)
    poor.complete(batch_id)

    look_at(poor, DEARER, tmp_path)

    batch = poor.batch(batch_id)
    [fault] = batch["errors"]["data"]
    assert (batch["status"], fault["code"]) == ("failed", "spend_cap_reached")
    assert batch["request_counts"] == {"total": 1, "completed": 1, "failed": 0}
    assert moved(poor, batch_id)[0] == NOTHING
