"""The Celery tasks: shells that take an id in and make one call."""

from uuid import UUID

from celery import Celery, Task

from core.broker import RENDER_TASK
from workers.executor import Executor


def register(celery: Celery, executor: Executor) -> None:
    @celery.task(name=RENDER_TASK, bind=True)  # type: ignore[untyped-decorator] # celery is untyped
    def render(task: Task, job_id: str) -> None:
        executor.execute(UUID(job_id), sent_by=task.request.get("traceparent"))
