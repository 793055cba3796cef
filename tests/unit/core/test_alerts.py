"""What is wrong with the house, judged from its figures."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from core import alerts
from core.alerts import Severity
from core.caps import Course
from core.history import Outcomes
from core.standings import ProviderStanding, Queue, Standing
from core.states import Lane, Part
from core.vitals import Money, Tellings, Vitals


def provider(**facts: Any) -> ProviderStanding:
    queues = dict.fromkeys(Lane, Queue()) | facts.pop("queues", {})
    usual: dict[str, Any] = {
        "name": "openai",
        "standing": Standing.HEALTHY,
        "until": None,
        "slots": 10,
        "running": 0,
        "dispatched": 0,
    }
    return ProviderStanding(**usual | facts, queues=queues)


def outcomes(*, completed: int = 0, failed: int = 0, refused: int = 0) -> Outcomes:
    nothing = dict.fromkeys(
        ("recorded", "started", "retried", "rescued", "handed_over", "cancelled", "pictures"), 0
    )
    return Outcomes(**nothing, completed=completed, failed=failed, refused=refused, charged=Decimal(0))


WELL = Vitals(
    providers=[provider()],
    workers={"openai": 1},
    parts={Part.WORKER: 1, Part.SCHEDULER: 1, Part.CLERK: 1},
    batches=3,
    outcomes={"openai": outcomes(completed=100)},
    of_hour={"openai": outcomes(completed=1000)},
    of_week={"openai": outcomes(completed=100_000)},
    of_keys={"key-1": outcomes(completed=100)},
    key_names={"key-1": "shop"},
    running_out=[],
    money=Money(Decimal(5), {}, {}),
    tellings=Tellings(100, 0),
    history_lag=3.0,
    sweep_lag=20.0,
)


def doubt(dollars: str, *, minutes: int = 1) -> Money:
    return Money(Decimal(0), {"openai": Decimal(dollars)}, {"openai": 60.0 * minutes})


def hour(*, completed: int, refused: int) -> dict[str, Any]:
    """After a week in which one in a hundred jobs was refused."""
    return {
        "of_hour": {"openai": outcomes(completed=completed, failed=refused, refused=refused)},
        "of_week": {"openai": outcomes(completed=990 + completed, failed=10 + refused, refused=10 + refused)},
    }


KEY = UUID(int=1)
COURSE = Course(
    key_id=KEY, name="shop", period="day", cap=Decimal(10), used=Decimal(8), lasts=timedelta(minutes=90)
)
WAITING = {Lane.BATCH: Queue(depth=3, oldest=10.0)}
LONG_WAITING = {Lane.BATCH: Queue(depth=3, oldest=600.0)}
BLOCKED = {Lane.INTERACTIVE: Queue(depth=1, oldest=16.0)}
WRONG: list[tuple[dict[str, Any], Severity, str, str]] = [
    ({"providers": [provider(queues=WAITING)], "workers": {}}, Severity.CRITICAL, "no worker", "/ops/workers"),
    ({"providers": [provider(dispatched=1)], "workers": {}}, Severity.CRITICAL, "no worker", "/ops/workers"),
    ({"providers": [provider(queues=BLOCKED)]}, Severity.CRITICAL, "16 s", "/ops/providers#openai"),
    (
        {"providers": [provider(standing=Standing.OUT)]},
        Severity.CRITICAL,
        "taken out",
        "/ops/providers#openai",
    ),
    (
        {"providers": [provider(standing=Standing.PROBING)]},
        Severity.CRITICAL,
        "taken out",
        "/ops/providers#openai",
    ),
    (
        {"providers": [provider(running=10, queues=LONG_WAITING)]},
        Severity.WARNING,
        "All 10 slots",
        "/ops/providers#openai",
    ),
    (
        {"outcomes": {"openai": outcomes(completed=97, failed=3)}},
        Severity.CRITICAL,
        "97.0% of 100 jobs",
        "/ops/jobs?state=failed&provider=openai",
    ),
    (
        {"outcomes": {"openai": outcomes(completed=70, failed=30, refused=30)}},
        Severity.WARNING,
        "refused 30%",
        "/ops/keys",
    ),
    (
        {"of_keys": {"key-1": outcomes(completed=70, failed=30, refused=30)}},
        Severity.WARNING,
        "key shop, 30%",
        "/ops/keys/key-1",
    ),
    (hour(completed=95, refused=5), Severity.WARNING, "5.0% of its jobs in the last hour; 1.0%", "/ops/keys"),
    (
        {"of_week": {"openai": outcomes(completed=100_000)}, "of_hour": hour(completed=95, refused=5)["of_hour"]},
        Severity.WARNING,
        "0.0% are usual",
        "/ops/keys",
    ),
    ({"running_out": [COURSE]}, Severity.WARNING, "$8.00 of its $10.00 a day", f"/ops/keys/{KEY}"),
    ({"money": doubt("1.5")}, Severity.WARNING, "$1.50", "/ops/jobs?doubt=1&provider=openai"),
    ({"money": doubt("0.05", minutes=16)}, Severity.WARNING, "16 min", "/ops/jobs?doubt=1&provider=openai"),
    ({"parts": {Part.SCHEDULER: 0, Part.CLERK: 1}}, Severity.CRITICAL, "No scheduler", "/ops/workers"),
    ({"parts": {Part.SCHEDULER: 1, Part.CLERK: 0}}, Severity.CRITICAL, "No clerk", "/ops/batches"),
    ({"tellings": Tellings(90, 10)}, Severity.WARNING, "10 of 100 events", "/ops/webhooks"),
    ({"history_lag": 300.0}, Severity.WARNING, "last 5 min", "/ops"),
    ({"sweep_lag": 10800.0}, Severity.WARNING, "3 h", "/ops/gallery"),
]
FINE: list[dict[str, Any]] = [
    {},
    {"providers": [provider(queues=WAITING)]},
    {"providers": [provider(queues={Lane.INTERACTIVE: Queue(depth=1, oldest=14.0)})]},
    {"providers": [provider(running=9, queues=LONG_WAITING)]},
    {"providers": [provider(running=10, queues=WAITING)]},
    {"providers": [provider(slots=0, queues=LONG_WAITING)]},
    {"providers": [], "workers": {}, "outcomes": {}, "of_hour": {}, "of_week": {}},
    {"outcomes": {"openai": outcomes(completed=9, failed=10)}},
    {"outcomes": {"openai": outcomes(completed=98, failed=2)}},
    {"outcomes": {"openai": outcomes(completed=85, failed=15, refused=15)}},
    {"money": doubt("1", minutes=15)},
    hour(completed=97, refused=3),
    hour(completed=200, refused=4),
    hour(completed=10, refused=9),
    {"of_hour": hour(completed=95, refused=5)["of_hour"], "of_week": {"openai": outcomes(completed=110)}},
    {"parts": {Part.SCHEDULER: 1, Part.CLERK: 0}, "batches": 0},
    {"tellings": Tellings(0, 19)},
]


@pytest.mark.parametrize(("figures", "severity", "says", "page"), WRONG, ids=[says for _, _, says, _ in WRONG])
def test_what_is_wrong_is_said_once_with_what_to_do(
    figures: dict[str, Any], severity: Severity, says: str, page: str
) -> None:
    [alert] = alerts.raised(replace(WELL, **figures))

    assert (alert.severity, alert.page) == (severity, page)
    assert says in alert.says
    assert alert.advice.endswith(".")


@pytest.mark.parametrize("figures", FINE)
def test_what_is_usual_or_too_little_to_tell_raises_nothing(figures: dict[str, Any]) -> None:
    assert alerts.raised(replace(WELL, **figures)) == []


@pytest.mark.parametrize(
    ("facts", "advice"),
    [
        ({"standing": Standing.PAUSED}, "An operator holds it back"),
        ({"standing": Standing.DRAINING}, "An operator holds it back"),
        ({"standing": Standing.THROTTLED}, "It has asked for patience"),
        ({"running": 10}, "All its slots are taken"),
        ({}, "see whether the scheduler runs"),
    ],
)
def test_who_waits_long_is_told_of_with_what_keeps_him(facts: dict[str, Any], advice: str) -> None:
    [alert] = alerts.raised(replace(WELL, providers=[provider(queues=BLOCKED, **facts)]))

    assert advice in alert.advice


def test_the_worst_comes_first() -> None:
    found = alerts.raised(replace(WELL, history_lag=300.0, providers=[provider(standing=Standing.OUT)]))

    assert [alert.severity for alert in found] == [Severity.CRITICAL, Severity.WARNING]
