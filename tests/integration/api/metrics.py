"""A scrape of /metrics, as Prometheus makes it, and what it says."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse
from sqlalchemy import update

from core import history
from core.bootstrap import Services
from core.orm import Job, JobEvent

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
