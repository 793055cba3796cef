"""Which processes there are behind the front end."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from core.orm.base import Base, one_of
from core.states import Part


class Worker(Base):
    """A worker of a `provider`, or a scheduler or clerk, as it said when it was last `seen_at`.

    `celery_name` is what Celery's own tools know a provider's worker by, `rss` its memory in bytes. One that is
    wanted `quiet` takes no new jobs; `stopping` says that it was told to end. At `allowance_at` its provider had
    told that `allowance_left` of `allowance` calls were left, and that all are again at `allowance_reset_at`.
    """

    __tablename__ = "workers"
    __table_args__ = (
        CheckConstraint(one_of("part", Part), name="part"),
        CheckConstraint(f"(part = '{Part.WORKER}') = (provider IS NOT NULL)", name="only_workers_have_a_provider"),
        CheckConstraint(
            "num_nonnulls(allowance, allowance_left, allowance_reset_at, allowance_at) IN (0, 4)",
            name="allowance_is_whole",
        ),
    )

    name: Mapped[str] = mapped_column(primary_key=True)
    part: Mapped[Part] = mapped_column(server_default=Part.WORKER)
    provider: Mapped[str | None]
    celery_name: Mapped[str | None]
    host: Mapped[str]
    pid: Mapped[int]
    version: Mapped[str]
    concurrency: Mapped[int]
    running: Mapped[int] = mapped_column(server_default="0")
    jobs_done: Mapped[int] = mapped_column(server_default="0")
    rss: Mapped[int] = mapped_column(BigInteger)
    quiet: Mapped[bool] = mapped_column(server_default="false")
    stopping: Mapped[bool] = mapped_column(server_default="false")
    allowance: Mapped[int | None]
    allowance_left: Mapped[int | None]
    allowance_reset_at: Mapped[datetime | None]
    allowance_at: Mapped[datetime | None]
    started_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    seen_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
