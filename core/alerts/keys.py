"""What is wrong with what keys ask, and spend."""

from collections.abc import Iterator

from core.alerts.alert import Alert, Thresholds, long, warning
from core.alerts.providers import refusal
from core.vitals import Vitals


def refused_keys(vitals: Vitals, thresholds: Thresholds) -> Iterator[Alert]:
    for key_id, found in vitals.of_keys.items():
        share = refusal(found, thresholds)
        if share > thresholds.refusals_of_key:
            name = vitals.key_names[key_id]
            yield warning(
                f"Of the jobs of key {name}, {share:.0%} were refused within an hour.",
                "Look at its prompts; revoke it before a provider closes your account.",
                f"/ops/keys/{key_id}",
            )


def running_out(vitals: Vitals, _: Thresholds) -> Iterator[Alert]:
    for course in vitals.running_out:
        used = f"${course.used:.2f} of its ${course.cap:.2f} a {course.period}"
        lasts = long(course.lasts.total_seconds())
        yield warning(
            f"Key {course.name} has used {used}: at this pace the rest lasts for {lasts}.",
            "Raise its cap, or tell its owner: beyond it, calls are refused.",
            f"/ops/keys/{course.key_id}",
        )
