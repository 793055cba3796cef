"""The worker processes: what each says of itself, and what operators want of it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.orm import Provider, Worker

# A process that was not heard of for this long is gone; its row stays for a while, for whoever asks what it was.
LOST = timedelta(seconds=30)
KEPT = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """What holds for a worker process as long as it runs. Celery's own tools know it by its `celery_name`."""

    name: str
    provider: str
    celery_name: str
    host: str
    pid: int
    version: str
    concurrency: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a process is at. `rss` is its memory in bytes; `stopping` says that it was told to end."""

    running: int
    jobs_done: int
    rss: int
    stopping: bool


@dataclass(frozen=True, slots=True)
class Orders:
    """What operators want of a process: to take no new jobs; another `rate` than the catalog's, or None."""

    quiet: bool
    rate: str | None


@dataclass(frozen=True, slots=True)
class Member:
    """A worker process, and how long ago it was last heard of."""

    worker: Worker
    age: timedelta

    @property
    def lost(self) -> bool:
        """It has fallen silent; its jobs are taken over by others."""
        return self.age > LOST and not self.worker.stopping

    @property
    def ended(self) -> bool:
        """It has fallen silent after it was told to end."""
        return self.age > LOST and self.worker.stopping


def beat(session: Session, process: Process, load: Load) -> Orders:
    """Say that a process is there, and what it is at."""
    rate = select(Provider.rate).where(Provider.name == process.provider).scalar_subquery()
    said = (
        insert(Worker)
        .values(**asdict(process), **asdict(load))
        .on_conflict_do_update(
            index_elements=[Worker.name], set_={**asdict(load), "seen_at": func.clock_timestamp()}
        )
        .returning(Worker.quiet, rate)
    )
    quiet, rate_wanted = session.execute(said).one()
    return Orders(quiet, rate_wanted)


def every(session: Session) -> Sequence[Member]:
    """All processes that were heard of within a day, by provider and age."""
    age = func.clock_timestamp() - Worker.seen_at
    known = select(Worker, age).order_by(Worker.provider, Worker.started_at, Worker.name)
    return [Member(worker, silence) for worker, silence in session.execute(known)]


def quieten(session: Session, name: str, *, quiet: bool) -> bool:
    """Have a process take no new jobs, or take them again, at its next beat. False where there is none.

    What it has at hand it finishes; what the broker holds waits for the other processes of its provider.
    """
    wanted = update(Worker).where(Worker.name == name).values(quiet=quiet).returning(Worker.name)
    return session.execute(wanted).one_or_none() is not None


def forget(session: Session) -> None:
    """Drop the rows of processes that are long gone."""
    session.execute(delete(Worker).where(Worker.seen_at < func.clock_timestamp() - KEPT))
