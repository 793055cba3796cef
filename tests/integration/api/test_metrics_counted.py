"""/metrics: what has happened, in counters and histograms that only rise."""

from collections.abc import Callable

from core import calls, ledger
from core.bootstrap import Services
from core.errors import FailureKind
from tests.integration.api import lives
from tests.integration.api.lives import Owner
from tests.integration.api.metrics import DALL_E, Scrape, live


def test_counters_rise_as_jobs_go_through_the_house(
    owner: Owner, services: Services, scrape: Callable[[], Scrape]
) -> None:
    def counted() -> dict[str, float]:
        found = scrape()
        outcomes = {
            each: found("darkroom_jobs_settled_total", outcome=each, **DALL_E)
            for each in ("completed", "failed", "refused", "cancelled")
        }
        names = [f"job{each}" for each in ("s_recorded", "s_started", "_retries", "_rescues", "_handovers")]
        names += ["pictures", "charged_dollars"]
        return outcomes | {name: found(f"darkroom_{name}_total", **DALL_E) for name in names}

    live(services, owner)
    before = counted()

    live(services, owner)

    after = counted()
    assert {name: round(after[name] - before[name], 6) for name in after} == {
        "completed": 1,
        "failed": 1,
        "refused": 1,
        "cancelled": 0,
        "jobs_recorded": 4,
        "jobs_started": 3,
        "job_retries": 1,
        "job_rescues": 1,
        "job_handovers": 1,
        "pictures": 2,
        "charged_dollars": 0.106,
    }


def test_counters_never_go_down(owner: Owner, services: Services, scrape: Callable[[], Scrape]) -> None:
    live(services, owner)
    before = ledgers(scrape())

    for _ in range(2):
        live(services, owner)
        after = ledgers(scrape())
        assert before.keys() <= after.keys()
        assert all(value <= after[series] for series, value in before.items())
        before = after


def ledgers(found: Scrape) -> dict[object, float]:
    """Those of the whole house: HTTP figures are of the process that counted them."""
    return {series: value for series, value in found.counters().items() if "_http_" not in series[0]}


def test_durations_are_told_in_buckets(owner: Owner, services: Services, scrape: Callable[[], Scrape]) -> None:
    live(services, owner)

    found = scrape()

    number = found("darkroom_job_seconds_count", **DALL_E)
    assert number >= 3
    assert found("darkroom_job_seconds_bucket", le="+Inf", **DALL_E) == number
    assert found("darkroom_job_seconds_bucket", le="60.0", **DALL_E) == number
    assert found("darkroom_job_seconds_sum", **DALL_E) > 0


def test_failures_and_calls_are_told_by_what_they_were(
    owner: Owner, services: Services, scrape: Callable[[], Scrape]
) -> None:
    claim = lives.start(services, lives.begin(services, owner))
    with services.database.transaction() as session:
        calls.open_call(session, claim, positions=[0])
        calls.give_up_calls(session, claim.job_id)
    lives.fail(services, claim, FailureKind.UNKNOWN)
    given_up = lives.start(services, lives.begin(services, owner))
    with services.database.transaction() as session:
        calls.open_call(session, given_up, positions=[0])
        assert ledger.cancel(session, given_up.job_id)

    found = scrape()

    assert found("darkroom_job_failures_total", kind="unknown", **DALL_E) >= 1
    assert found("darkroom_provider_calls_total", outcome="unknown", **DALL_E) >= 1
    assert found("darkroom_provider_calls_total", outcome="sent", **DALL_E) >= 1, "its job was called off"
    assert found("darkroom_in_doubt_dollars", provider="openai") > 0
    assert found("darkroom_in_doubt_seconds", provider="openai") > 0
