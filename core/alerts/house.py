"""What is wrong with the house's own processes, and what they owe."""

from collections.abc import Iterator

from core.alerts.alert import Alert, Thresholds, critical, long, warning
from core.states import Part
from core.vitals import Vitals


def no_scheduler(vitals: Vitals, _: Thresholds) -> Iterator[Alert]:
    if not vitals.parts[Part.SCHEDULER]:
        yield critical(
            "No scheduler is at work: retries, rescues, webhooks and sweeping stand still.",
            "Start one with `darkroom scheduler`; where one runs, its log says what it is stuck in.",
            "/ops/workers",
        )


def no_clerk(vitals: Vitals, _: Thresholds) -> Iterator[Alert]:
    if vitals.batches and not vitals.parts[Part.CLERK]:
        yield critical(
            f"No clerk is at work, and batches wait: {vitals.batches}.",
            "Start one with `darkroom clerk`.",
            "/ops/batches",
        )


def untold(vitals: Vitals, thresholds: Thresholds) -> Iterator[Alert]:
    told = vitals.tellings
    ended = told.delivered + told.failed
    if ended >= thresholds.samples and told.failed / ended > thresholds.untold:
        yield warning(
            f"{told.failed} of {ended} events of the last hour could not be told to their webhooks.",
            "See which receivers fail; deliver again once they are back.",
            "/ops/webhooks",
        )


def late(vitals: Vitals, thresholds: Thresholds) -> Iterator[Alert]:
    if vitals.history_lag > thresholds.history_lag:
        yield warning(
            f"What happened in the last {long(vitals.history_lag)} is not added up: charts are behind.",
            "See whether the scheduler runs.",
            "/ops",
        )
    if vitals.sweep_lag > thresholds.sweep_lag:
        yield warning(
            f"Pictures whose time is over have been in the store for {long(vitals.sweep_lag)} more.",
            "See whether the scheduler runs, and whether the store answers.",
            "/ops/gallery",
        )
