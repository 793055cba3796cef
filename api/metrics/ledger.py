"""The figures of the ledger: read once for all who scrape within a moment; without it, that it is away."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import structlog
from prometheus_client import Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from api.dashboard.glass import Glass
from api.metrics import counters, gauges
from api.metrics.families import gauge
from core import history, meters
from core.bootstrap import Services
from core.history import Totals
from core.meters import Meters
from core.rates import Standing

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Reading:
    """What one look at the ledger, and at the rates, has shown."""

    meters: Meters
    totals: Totals
    headroom: Mapping[str, Standing]


class Ledger(Collector):
    """Told in `darkroom_up` alone where the ledger does not answer."""

    def __init__(self, services: Services, glass: Glass) -> None:
        self._services = services
        self._glass = glass

    def collect(self) -> Iterator[Metric]:
        reading = self._glass.look("metrics", self._read)
        yield gauge("darkroom_up", "Whether the ledger answers.", (), [((), reading is not None)])
        if reading is not None:
            yield from gauges.collect(reading.meters, reading.headroom)
            yield from counters.collect(reading.totals)

    def _read(self) -> Reading | None:
        services = self._services
        try:
            with services.database.transaction() as session:
                seen, totals = meters.read(session), history.totals(session)
        except SQLAlchemyError as error:
            log.warning("metrics.blind", error=str(error).partition("\n")[0])
            return None
        return Reading(seen, totals, meters.headroom(services.rates, services.catalog, seen.rates))
