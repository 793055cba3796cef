"""What is wrong with the house, and what to do about it: judged from its figures alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from core.history import Outcomes
from core.standings import ProviderStanding, Standing
from core.states import Lane
from core.vitals import Vitals


class Severity(StrEnum):
    """`critical`: callers are let down now. `warning`: they will be, or money is at stake."""

    CRITICAL = "critical"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Alert:
    """`says` what is wrong, `advice` what to do about it, and `page` is where."""

    severity: Severity
    says: str
    advice: str
    page: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """From where on something is wrong. Seconds, shares, dollars; rates of fewer than `samples` say nothing."""

    interactive_wait: float = 15.0
    full_wait: float = 300.0
    success: float = 0.98
    refusals_of_provider: float = 0.2
    refusals_of_key: float = 0.2
    samples: int = 20
    in_doubt: Decimal = Decimal(1)
    untold: float = 0.05
    history_lag: float = 120.0
    sweep_lag: float = 600.0


USUAL = Thresholds()


def raised(vitals: Vitals, thresholds: Thresholds = USUAL) -> list[Alert]:
    """The worst first."""
    found = [alert for rule in _RULES for alert in rule(vitals, thresholds)]
    return sorted(found, key=lambda alert: alert.severity is not Severity.CRITICAL)


def _critical(says: str, advice: str, page: str) -> Alert:
    return Alert(Severity.CRITICAL, says, advice, page)


def _warning(says: str, advice: str, page: str) -> Alert:
    return Alert(Severity.WARNING, says, advice, page)


def _no_worker(vitals: Vitals, _: Thresholds) -> Iterator[Alert]:
    for each in vitals.providers:
        if (each.waits or each.dispatched) and not vitals.workers.get(each.name):
            yield _critical(
                f"Jobs wait for {each.name}, and no worker takes them.",
                f"Start one with `darkroom worker --provider {each.name}`, or wake one that is quiet.",
                "/ops/workers",
            )


def _taken_out(vitals: Vitals, _: Thresholds) -> Iterator[Alert]:
    for each in vitals.providers:
        if each.standing in {Standing.OUT, Standing.PROBING}:
            then = "tried again by itself" if each.standing is Standing.OUT else "being tried again"
            yield _critical(
                f"{each.name} failed again and again, and is taken out.",
                f"It is {then}. See why it failed; resume it once you know that it is back.",
                _page(each),
            )


def _long_wait(vitals: Vitals, thresholds: Thresholds) -> Iterator[Alert]:
    for each in vitals.providers:
        waited = each.queues[Lane.INTERACTIVE].oldest or 0.0
        if waited > thresholds.interactive_wait:
            yield _critical(
                f"A caller has been waiting for {each.name} for {waited:.0f} s.",
                _remedy(each),
                _page(each),
            )


def _remedy(each: ProviderStanding) -> str:
    match each.standing:
        case Standing.PAUSED | Standing.DRAINING:
            return "An operator holds it back: resume it, or name stand-ins for its models in the catalog."
        case Standing.OUT | Standing.PROBING:
            return "It is taken out: name stand-ins for its models in the catalog."
        case Standing.THROTTLED:
            return "It has asked for patience: lower its rate, so that it need not, or ask it for a higher one."
        case Standing.HEALTHY if each.taken >= each.slots:
            return "All its slots are taken: give it more, if the provider allows."
        case Standing.HEALTHY:
            return "It has slots to spare: see whether the scheduler runs."


def _full(vitals: Vitals, thresholds: Thresholds) -> Iterator[Alert]:
    for each in vitals.providers:
        if each.slots and each.taken >= each.slots and each.oldest > thresholds.full_wait:
            yield _warning(
                f"All {each.slots} slots of {each.name} are taken; jobs have waited for {_long(each.oldest)}.",
                "Give it more slots, if the provider allows, or move jobs to another provider.",
                _page(each),
            )


def _failing(vitals: Vitals, thresholds: Thresholds) -> Iterator[Alert]:
    for name, found in vitals.outcomes.items():
        if found.success is not None and found.judged >= thresholds.samples and found.success < thresholds.success:
            yield _critical(
                f"{name} completed {found.success:.1%} of {found.judged} jobs in the last five minutes.",
                "See what they failed of; pause it, or let its stand-ins take over.",
                f"/ops/jobs?state=failed&provider={name}",
            )


def _refusing(vitals: Vitals, thresholds: Thresholds) -> Iterator[Alert]:
    for name, found in vitals.outcomes.items():
        share = _refusal(found, thresholds)
        if share > thresholds.refusals_of_provider:
            yield _warning(
                f"{name} refused {share:.0%} of its jobs in the last five minutes.",
                "Find the keys whose prompts it refuses: providers close accounts for that.",
                "/ops/keys",
            )


def _refused_keys(vitals: Vitals, thresholds: Thresholds) -> Iterator[Alert]:
    for key_id, found in vitals.of_keys.items():
        share = _refusal(found, thresholds)
        if share > thresholds.refusals_of_key:
            name = vitals.key_names[key_id]
            yield _warning(
                f"Of the jobs of key {name}, {share:.0%} were refused within an hour.",
                "Look at its prompts; revoke it before a provider closes your account.",
                f"/ops/keys/{key_id}",
            )


def _refusal(found: Outcomes, thresholds: Thresholds) -> float:
    enough = found.completed + found.failed >= thresholds.samples
    return found.refusal if enough and found.refusal else 0.0


def _in_doubt(vitals: Vitals, thresholds: Thresholds) -> Iterator[Alert]:
    for name, dollars in vitals.money.in_doubt.items():
        if dollars > thresholds.in_doubt:
            yield _warning(
                f"{name} may have charged ${dollars:.2f} for pictures that never came.",
                "Compare these calls with its invoice.",
                "/ops/money",
            )


def _untold(vitals: Vitals, thresholds: Thresholds) -> Iterator[Alert]:
    told = vitals.tellings
    ended = told.delivered + told.failed
    if ended >= thresholds.samples and told.failed / ended > thresholds.untold:
        yield _warning(
            f"{told.failed} of {ended} events of the last hour could not be told to their webhooks.",
            "See which receivers fail; deliver again once they are back.",
            "/ops/webhooks",
        )


def _late(vitals: Vitals, thresholds: Thresholds) -> Iterator[Alert]:
    if vitals.history_lag > thresholds.history_lag:
        yield _warning(
            f"What happened in the last {_long(vitals.history_lag)} is not added up: charts are behind.",
            "See whether the scheduler runs.",
            "/ops",
        )
    if vitals.sweep_lag > thresholds.sweep_lag:
        yield _warning(
            f"Pictures whose time is over have been in the store for {_long(vitals.sweep_lag)} more.",
            "See whether the scheduler runs, and whether the store answers.",
            "/ops/gallery",
        )


def _long(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"  # noqa: PLR2004 - two hours


def _page(each: ProviderStanding) -> str:
    return f"/ops/providers#{each.name}"


_RULES = (_no_worker, _taken_out, _long_wait, _full, _failing, _refusing, _refused_keys, _in_doubt, _untold, _late)
