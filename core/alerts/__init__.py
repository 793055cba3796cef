"""What is wrong with the house, and what to do about it: judged from its figures alone."""

from core.alerts import house, keys, providers
from core.alerts.alert import Alert, Severity, Thresholds
from core.vitals import Vitals

__all__ = ["USUAL", "Alert", "Severity", "Thresholds", "raised"]

USUAL = Thresholds()


def raised(vitals: Vitals, thresholds: Thresholds = USUAL) -> list[Alert]:
    """The worst first."""
    found = [alert for rule in _RULES for alert in rule(vitals, thresholds)]
    return sorted(found, key=lambda alert: alert.severity is not Severity.CRITICAL)


_RULES = (
    house.no_scheduler,
    house.no_clerk,
    providers.no_worker,
    providers.taken_out,
    providers.long_wait,
    providers.full,
    providers.failing,
    providers.refusing,
    keys.refused_keys,
    keys.running_out,
    providers.in_doubt,
    house.untold,
    house.late,
)
