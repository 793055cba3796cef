"""What the scheduler does, each duty at its pace, and guarded in the ledger: a second one only looks twice."""

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from threading import Thread

import structlog
from kombu.exceptions import OperationalError as BrokerDown
from sqlalchemy.exc import SQLAlchemyError

from core import (
    failover,
    files,
    fleet,
    history,
    idempotency,
    images,
    ledger,
    orphans,
    retention,
    users,
    waiting_calls,
)
from core.bootstrap import Services
from core.errors import StoreUnavailable
from core.operations import exports

SWEEP_BATCH = 500
ADD_UP_SECONDS = 1.0
RETAIN_SECONDS = 0.5
DAY_SECONDS = 86_400.0

Duty = Callable[[Services], None]

log = structlog.get_logger()


def attend(duty: Duty, services: Services) -> None:
    """A part that is away now is tried again at the next turn."""
    try:
        duty(services)
    except (SQLAlchemyError, BrokerDown, OSError, StoreUnavailable) as error:
        log.warning("duty.failed", duty=duty.__name__, error=str(error).partition("\n")[0])


def admit(services: Services) -> None:
    """Start what is due: retries whose time has come, and what a change of slots lets in."""
    for provider in services.catalog.providers:
        services.intake.start_due(provider)


def reroute(services: Services) -> None:
    """Let stand-ins make what a provider that is out cannot."""
    with services.database.transaction() as session:
        rerouted = failover.reroute(session, services.catalog)
    for provider, jobs in rerouted.items():
        for job in jobs:
            log.warning("job.rerouted", **job.facts())
        services.intake.start_due(provider)


def rescue(services: Services) -> None:
    """Queue again what died with its worker."""
    with services.database.transaction() as session:
        rescued = ledger.rescue(session)
    for job in rescued:
        log.warning("job.rescued", **job.facts())


def take_back(services: Services) -> None:
    """Queue again what was dispatched and is in the broker no more."""
    for provider in services.catalog.providers:
        if services.broker.waiting(provider):
            continue
        with services.database.transaction() as session:
            lost = ledger.take_back_undelivered(session, provider)
        for job in lost:
            log.warning("job.message_lost", **job.facts())


def sweep(services: Services) -> None:
    """Delete pictures whose hour is over, a batch at a time."""
    while True:
        with services.database.transaction() as session:
            batch = images.expired(session, most=SWEEP_BATCH)
        if not batch:
            return
        services.storage.remove(image.object_key for image in batch)
        with services.database.transaction() as session:
            images.mark_swept(session, [image.name for image in batch])
        log.info("pictures.swept", pictures=len(batch))


def sweep_files(services: Services) -> None:
    """Delete files whose time is over, a batch at a time."""
    while swept := files.sweep(services.database, services.storage, most=SWEEP_BATCH):
        log.info("files.swept", files=swept)


def sweep_exports(services: Services) -> None:
    """Delete what operators had exported a day ago."""
    if swept := exports.sweep(services.database, services.storage):
        log.info("exports.swept", exports=swept)


def add_up(services: Services) -> None:
    """Count what happened. Where there is much of it, other duties come first after a second."""
    until = time.monotonic() + ADD_UP_SECONDS
    while time.monotonic() < until:
        with services.database.transaction() as session:
            if history.roll_up(session) < history.PORTION:
                return


def prune(services: Services) -> None:
    """Drop counts of minutes that nobody looks at any more."""
    with services.database.transaction() as session:
        history.prune(session)


def retain(services: Services) -> None:
    """Drop what was kept long enough. Where there is much of it, the rest waits for the next turn."""
    settings = services.settings
    terms = retention.Terms(
        jobs=timedelta(days=settings.keep_jobs_days), prompts=timedelta(days=settings.keep_prompts_days)
    )
    until = time.monotonic() + RETAIN_SECONDS
    for step in retention.STEPS:
        more = True
        while more and time.monotonic() < until:
            with services.database.transaction() as session:
                more = step(session, terms)


def survey(services: Services) -> None:
    """Look through the store, beside the other duties: it takes as long as the store's listing."""

    def look() -> None:
        attend(abort_uploads, services)
        attend(compare, services)

    Thread(target=look, name="survey", daemon=True).start()


def abort_uploads(services: Services) -> None:
    """Give up uploads that nobody will end."""
    if aborted := orphans.abort_uploads(services.storage):
        log.info("uploads.aborted", uploads=aborted)


def compare(services: Services) -> None:
    """Tell of objects that no row knows, and of rows whose object is gone; removing is left to the operator."""
    found = orphans.compare(services.database, services.storage)
    if found.orphans or found.lost:
        log.warning(
            "store.differs",
            objects=found.objects,
            orphans=found.orphans,
            orphan_bytes=found.orphan_bytes,
            lost=found.lost,
            examples=found.examples,
        )


def forget(services: Services) -> None:
    """Drop what was kept to recognise calls that come again, workers that are gone, and sign-ins that are over."""
    with services.database.transaction() as session:
        waiting_calls.forget(session)
        idempotency.forget(session)
        fleet.forget(session)
        users.forget_expired(session)


# By the seconds between two turns.
OF_THE_LEDGER: Mapping[Duty, float] = {
    admit: 0.5,
    reroute: 0.5,
    rescue: 2.0,
    take_back: 2.0,
    add_up: 2.0,
    forget: 60.0,
    prune: 60.0,
    retain: 15.0,
}
OF_THE_STORE: Mapping[Duty, float] = {sweep: 30.0, sweep_files: 30.0, sweep_exports: 60.0, survey: DAY_SECONDS}
