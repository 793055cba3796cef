"""The Celery tasks: shells that take an id in and make one call."""

from uuid import UUID

from celery import Celery

from core.broker import RENDER_TASK
from workers.executor import Executor


def register(celery: Celery, executor: Executor) -> None:
    @celery.task(name=RENDER_TASK)  # type: ignore[untyped-decorator] # celery is untyped
    def render(job_id: str) -> None:
        executor.execute(UUID(job_id))
