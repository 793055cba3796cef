"""A scrape of /metrics, as Prometheus makes it, what it says, and a house of which there is something to say."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from flask.testing import FlaskClient
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse
from sqlalchemy import update

from core import history, ledger
from core.bootstrap import Services
from core.errors import FailureKind
from core.ledger import Claim
from core.orm import Job, JobEvent
from tests import builders
from tests.integration.api import lives
from tests.integration.api.lives import Owner

DALL_E = {"provider": "openai", "model": "dall-e-2"}
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@dataclass(frozen=True)
class Scrape:
    families: dict[str, Metric]

    @classmethod
    def of(cls, text: str, *, openmetrics: bool = False) -> "Scrape":
        read = parse_openmetrics if openmetrics else parse
        found = list(read(text))
        assert len({family.name for family in found}) == len(found), "each metric is told once"
        return cls({family.name: family for family in found})

    def __call__(self, sample: str, **labels: str) -> float:
        """The sum of all samples of that name that have these labels."""
        found = [
            value for name, given, value in self.samples() if name == sample and labels.items() <= given.items()
        ]
        assert found, f"there is no {sample} of {labels}"
        return sum(found)

    def samples(self) -> Iterator[tuple[str, dict[str, str], float]]:
        for family in self.families.values():
            for sample in family.samples:
                yield sample.name, sample.labels, sample.value

    @property
    def names(self) -> set[str]:
        return {name for name, _, _ in self.samples()} | {*self.families}

    def counters(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """Every figure that may never go down."""
        endings = ("_total", "_bucket", "_count")
        return {
            (name, frozenset(labels.items())): value
            for name, labels, value in self.samples()
            if name.endswith(endings)
        }


def add_up(services: Services) -> None:
    """As the scheduler does, a while after everything has happened."""
    a_while = timedelta(seconds=3)
    with services.database.transaction() as session:
        session.execute(update(JobEvent).values(at=JobEvent.at - a_while))
        session.execute(update(Job).values(created_at=Job.created_at - a_while))
        while history.roll_up(session):
            pass


def read(client: FlaskClient, headers: dict[str, str]) -> Scrape:
    response = client.get("/metrics", headers=headers)
    assert response.status_code == 200, response.text
    return Scrape.of(response.text)


def live(services: Services, owner: Owner) -> None:
    """One job completes after a retry, a rescue and a hand-over, one fails, one is refused, and one waits."""
    done = lives.start(services, lives.begin(services, owner, n=2))
    lives.put_off(services, done)
    builders.make_due(services, done.job_id)
    builders.claim(services, done.job_id)
    builders.lose_lease(services, done.job_id)
    rescue(services)
    builders.make_due(services, done.job_id)
    hand_over(services, builders.claim(services, done.job_id))
    builders.make_due(services, done.job_id)
    done = builders.claim(services, done.job_id)
    lives.land(services, done, 0, 1)
    lives.complete(services, done)
    for kind in (FailureKind.STORE, FailureKind.MODERATED):
        lives.fail(services, lives.start(services, lives.begin(services, owner)), kind)
    lives.begin(services, owner)


def rescue(services: Services) -> None:
    with services.database.transaction() as session:
        ledger.rescue(session)


def hand_over(services: Services, claim: Claim) -> None:
    with services.database.transaction() as session:
        assert ledger.hand_over(session, claim)
