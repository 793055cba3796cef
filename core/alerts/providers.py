"""What is wrong with providers, and with what they are asked."""

from collections.abc import Iterator

from core.alerts.alert import Alert, Thresholds, critical, long, warning
from core.history import Outcomes
from core.standings import ProviderStanding, Standing
from core.states import Lane
from core.vitals import Vitals


def no_worker(vitals: Vitals, _: Thresholds) -> Iterator[Alert]:
    for each in vitals.providers:
        if (each.waits or each.dispatched) and not vitals.workers.get(each.name):
            yield critical(
                f"Jobs wait for {each.name}, and no worker takes them.",
                f"Start one with `darkroom worker --provider {each.name}`, or wake one that is quiet.",
                "/ops/workers",
            )


def taken_out(vitals: Vitals, _: Thresholds) -> Iterator[Alert]:
    for each in vitals.providers:
        if each.standing in {Standing.OUT, Standing.PROBING}:
            then = "tried again by itself" if each.standing is Standing.OUT else "being tried again"
            yield critical(
                f"{each.name} failed again and again, and is taken out.",
                f"It is {then}. See why it failed; resume it once you know that it is back.",
                _page(each),
            )


def long_wait(vitals: Vitals, thresholds: Thresholds) -> Iterator[Alert]:
    for each in vitals.providers:
        waited = each.queues[Lane.INTERACTIVE].oldest or 0.0
        if waited > thresholds.interactive_wait:
            yield critical(
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


def full(vitals: Vitals, thresholds: Thresholds) -> Iterator[Alert]:
    for each in vitals.providers:
        if each.slots and each.taken >= each.slots and each.oldest > thresholds.full_wait:
            yield warning(
                f"All {each.slots} slots of {each.name} are taken; jobs have waited for {long(each.oldest)}.",
                "Give it more slots, if the provider allows, or move jobs to another provider.",
                _page(each),
            )


def failing(vitals: Vitals, thresholds: Thresholds) -> Iterator[Alert]:
    for name, found in vitals.outcomes.items():
        if found.success is not None and found.judged >= thresholds.samples and found.success < thresholds.success:
            yield critical(
                f"{name} completed {found.success:.1%} of {found.judged} jobs in the last five minutes.",
                "See what they failed of; pause it, or let its stand-ins take over.",
                f"/ops/jobs?state=failed&provider={name}",
            )


def refusing(vitals: Vitals, thresholds: Thresholds) -> Iterator[Alert]:
    """Of the last minutes, or else of the last hour against what is usual."""
    advice = "Find the keys whose prompts it refuses: providers close accounts for that."
    for name, hour in vitals.of_hour.items():
        share = refusal(vitals.outcomes.get(name), thresholds)
        usual = _usual_refusal(hour, vitals.of_week.get(name), thresholds)
        if share > thresholds.refusals_of_provider:
            yield warning(f"{name} refused {share:.0%} of its jobs in the last five minutes.", advice, "/ops/keys")
        elif _is_rise(hour, usual, thresholds):
            says = f"{name} refused {hour.refusal:.1%} of its jobs in the last hour; {usual:.1%} are usual."
            yield warning(says, advice, "/ops/keys")


def refusal(found: Outcomes | None, thresholds: Thresholds) -> float:
    """The share that was refused; nothing of too few."""
    if found is None or found.completed + found.failed < thresholds.samples:
        return 0.0
    return found.refusal or 0.0


def _usual_refusal(hour: Outcomes, week: Outcomes | None, thresholds: Thresholds) -> float | None:
    """That of the week before the hour; None of too few."""
    if week is None:
        return None
    ended = week.completed + week.failed - hour.completed - hour.failed
    return (week.refused - hour.refused) / ended if ended >= thresholds.samples else None


def _is_rise(hour: Outcomes, usual: float | None, thresholds: Thresholds) -> bool:
    share = refusal(hour, thresholds)
    return usual is not None and hour.refused >= thresholds.few and share > thresholds.refusals_rise * usual


def in_doubt(vitals: Vitals, thresholds: Thresholds) -> Iterator[Alert]:
    """An answer that is merely late has come by the time that counts."""
    for name, dollars in vitals.money.in_doubt.items():
        age = vitals.money.doubt_ages[name]
        if dollars > thresholds.in_doubt or age > thresholds.doubt_age:
            yield warning(
                f"{name} may have charged ${dollars:.2f} for pictures that never came, the first {long(age)} ago.",
                "Compare these calls with its invoice.",
                f"/ops/jobs?doubt=1&provider={name}",
            )


def _page(each: ProviderStanding) -> str:
    return f"/ops/providers#{each.name}"
