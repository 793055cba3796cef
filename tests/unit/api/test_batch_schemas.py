"""What a batch object tells of how long it will take."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.batches.schemas import batch_response
from core.orm import Batch
from core.states import BatchStatus


def batch(**changes: Any) -> Batch:
    begun = datetime.now(UTC) - timedelta(seconds=100)
    usual = {
        "status": BatchStatus.IN_PROGRESS,
        "total": 400,
        "completed": 90,
        "failed": 10,
        "cancelled": 0,
        "paused": False,
        "created_at": begun,
        "in_progress_at": begun,
        "expires_at": begun + timedelta(hours=24),
        "price": 0,
        "charged": 0,
    }
    ids = {
        "id": "batch_1",
        "endpoint": "/v1/images/generations",
        "completion_window": "24h",
        "input_file_id": "file-1",
    }
    return Batch(**{**ids, **usual, **changes})


def test_it_goes_on_at_its_pace() -> None:
    assert batch_response(batch()).expected_seconds == pytest.approx(300, abs=2)


@pytest.mark.parametrize(
    "changes",
    [
        {"completed": 9},
        {"paused": True},
        {"status": BatchStatus.VALIDATING, "in_progress_at": None},
        {"status": BatchStatus.COMPLETED},
    ],
    ids=str,
)
def test_nothing_is_told_without_a_pace(changes: dict[str, Any]) -> None:
    assert batch_response(batch(**changes)).expected_seconds is None
