"""Which worker processes there are."""

from datetime import datetime

from sqlalchemy import BigInteger, func
from sqlalchemy.orm import Mapped, mapped_column

from core.orm.base import Base


class Worker(Base):
    """A worker process, as it said when it was last `seen_at`.

    `celery_name` is what Celery's own tools know it by, `rss` its memory in bytes. One that is wanted `quiet`
    takes no new jobs; `stopping` says that it was told to end.
    """

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(primary_key=True)
    provider: Mapped[str]
    celery_name: Mapped[str]
    host: Mapped[str]
    pid: Mapped[int]
    version: Mapped[str]
    concurrency: Mapped[int]
    running: Mapped[int] = mapped_column(server_default="0")
    jobs_done: Mapped[int] = mapped_column(server_default="0")
    rss: Mapped[int] = mapped_column(BigInteger)
    quiet: Mapped[bool] = mapped_column(server_default="false")
    stopping: Mapped[bool] = mapped_column(server_default="false")
    started_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    seen_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
