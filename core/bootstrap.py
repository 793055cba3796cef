"""Settings in, services out; called once by each process."""

from dataclasses import dataclass

from celery import Celery

from core import tracing
from core.broker import Broker, create_celery
from core.catalog import Catalog
from core.database import Database
from core.forecasts import Forecaster
from core.intake import Intake
from core.notifier import Notifier
from core.rates import Rates
from core.settings import Settings
from core.storage import Storage


@dataclass(frozen=True, slots=True)
class Services:
    """What a process talks to. Nothing is connected until it is used."""

    settings: Settings
    catalog: Catalog
    database: Database
    celery: Celery
    broker: Broker
    notifier: Notifier
    rates: Rates
    storage: Storage
    intake: Intake
    forecaster: Forecaster

    def close(self) -> None:
        self.broker.close()
        self.notifier.close()
        self.rates.close()
        self.database.close()


def assemble(settings: Settings) -> Services:
    """Raises SettingsError for a catalog that makes no sense."""
    if settings.otlp_endpoint:
        from core.collector import Collector  # noqa: PLC0415 - it needs an extra that others do without

        tracing.use(Collector(settings.otlp_endpoint))
    database = Database(settings.database_url)
    celery = create_celery(settings.redis_url)
    broker = Broker(celery)
    catalog = Catalog.load(settings.catalog, settings.providers, settings.environment)
    return Services(
        settings=settings,
        catalog=catalog,
        database=database,
        celery=celery,
        broker=broker,
        notifier=Notifier(settings.redis_url),
        rates=Rates(settings.redis_url),
        storage=Storage(
            settings.s3_endpoint, settings.s3_access_key, settings.s3_secret_key, bucket=settings.s3_bucket
        ),
        intake=Intake(database, broker, catalog),
        forecaster=Forecaster(),
    )
