"""What is wrong with the house, judged from its figures."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from core import alerts
from core.alerts import Severity
from core.history import Outcomes
from core.standings import ProviderStanding, Queue, Standing
from core.states import Lane
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
    nothing = dict.fromkeys(("recorded", "started", "retried", "rescued", "cancelled", "pictures"), 0)
    return Outcomes(**nothing, completed=completed, failed=failed, refused=refused, charged=Decimal(0))


WELL = Vitals(
    providers=[provider()],
    workers={"openai": 1},
    outcomes={"openai": outcomes(completed=100)},
    of_keys={"key-1": outcomes(completed=100)},
    key_names={"key-1": "shop"},
    money=Money(Decimal(5), {}),
    tellings=Tellings(100, 0),
    history_lag=3.0,
    sweep_lag=20.0,
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
    ({"money": Money(Decimal(0), {"openai": Decimal("1.5")})}, Severity.WARNING, "$1.50", "/ops/money"),
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
    {"providers": [], "workers": {}, "outcomes": {}},
    {"outcomes": {"openai": outcomes(completed=9, failed=10)}},
    {"outcomes": {"openai": outcomes(completed=98, failed=2)}},
    {"outcomes": {"openai": outcomes(completed=85, failed=15, refused=15)}},
    {"money": Money(Decimal(0), {"openai": Decimal(1)})},
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
