"""One Celery worker process: the pool of one provider."""

import logging
import signal

import structlog
from celery import signals
from celery.worker import state

from core import logs, processes
from core.bootstrap import assemble
from core.broker import RENDER_TASK
from core.database import Database
from core.fleet import Process
from core.settings import Settings
from core.states import Part
from workers import tasks
from workers.executor import Executor
from workers.handover import Handover
from workers.heartbeat import Heartbeat, Report
from workers.providers import registry
from workers.steering import Steering

log = structlog.get_logger()


def run(settings: Settings, *, provider: str, concurrency: int) -> None:
    """Work until told to stop. `concurrency` is the number of provider calls at once in this process.

    Raises SettingsError.
    """
    logs.configure()
    services = assemble(settings)
    process = processes.this(Part.WORKER, provider=provider, concurrency=concurrency)
    adapter = registry.build(provider, settings, connections=concurrency)
    executor = Executor(services, adapter, name=provider, worker=process.name)
    steering = Steering(provider, executor.pacing)
    heartbeat = Heartbeat(
        Database(settings.database_url, connections=1),
        process,
        report=lambda: Report(executor.running(), _done(), adapter.told),
        obey=steering.obey,
    )
    handover = Handover(executor, heartbeat, seconds=settings.handover_seconds)
    tasks.register(services.celery, executor)
    heartbeat.start()

    @signals.worker_ready.connect(weak=False)  # type: ignore[untyped-decorator] # celery is untyped
    def announce(sender: object, **_: object) -> None:
        steering.attach(sender)
        # Celery's own would wait for what is under way, and lets nobody hear of it before.
        signal.signal(signal.SIGQUIT, lambda *_: handover.cut_off())
        signal.signal(signal.SIGINT, signal.getsignal(signal.SIGTERM))
        log.info("worker.ready", provider=provider, worker=process.name, concurrency=concurrency)

    @signals.worker_shutting_down.connect(weak=False)  # type: ignore[untyped-decorator] # as above
    def stop(**_: object) -> None:
        handover.begin()

    for name in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)  # two lines a job that say less than the executor's
    services.celery.worker_main(_arguments(process))


def _arguments(process: Process) -> list[str]:
    return [
        "--quiet",  # its banner is no line of a log
        "worker",
        f"--queues={process.provider}",
        f"--hostname={process.celery_name}",
        "--pool=threads",  # under gevent a full worker takes new messages only every two seconds
        f"--concurrency={process.concurrency}",
        "--without-gossip",
        "--without-mingle",
        "--loglevel=INFO",
    ]


def _done() -> int:
    """How many messages were worked off, as Celery's own tools tell it."""
    begun: int = state.total_count[RENDER_TASK]
    return max(0, begun - len(state.active_requests))
