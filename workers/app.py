"""One Celery worker process: the pool of one provider."""

import logging
import os
import secrets
import socket

import structlog
from celery.signals import worker_ready

from core import logs
from core.bootstrap import assemble
from core.settings import Settings
from workers import heartbeat, tasks
from workers.executor import Executor
from workers.providers import registry

log = structlog.get_logger()


def run(settings: Settings, *, provider: str, concurrency: int) -> None:
    """Work until told to stop. `concurrency` is the number of provider calls at once in this process.

    Raises SettingsError.
    """
    logs.configure()
    services = assemble(settings)
    worker = f"{provider}@{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    adapter = registry.build(provider, settings, connections=concurrency)
    executor = Executor(services, adapter, name=provider, worker=worker)
    tasks.register(services.celery, executor)
    heartbeat.start(settings.database_url, worker, executor.running)

    @worker_ready.connect(weak=False)  # type: ignore[untyped-decorator] # celery is untyped
    def announce(**_: object) -> None:
        log.info("worker.ready", provider=provider, worker=worker, concurrency=concurrency)

    for name in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)  # two lines a job that say less than the executor's
    services.celery.worker_main(_arguments(provider, concurrency))


def _arguments(provider: str, concurrency: int) -> list[str]:
    return [
        "worker",
        f"--queues={provider}",
        f"--hostname={provider}-{os.getpid()}@%h",
        "--pool=threads",  # under gevent a full worker takes new messages only every two seconds
        f"--concurrency={concurrency}",
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
        "--loglevel=INFO",
    ]
