"""The processes behind the front end: what each says of itself, and what operators want of it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.orm import Session

from core.ledger import LEASE
from core.orm import Provider, Worker
from core.states import Part

# A process says so often that it is there: a worker's beat keeps its leases, too.
BEAT_SECONDS = LEASE.total_seconds() / 4
# One that was not heard of for this long is gone; its row stays for a while, for whoever asks what it was.
LOST = timedelta(seconds=30)
KEPT = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """What holds for a process as long as it runs. Only a worker has a `provider`, and a name for Celery."""

    name: str
    part: Part = Part.WORKER
    provider: str | None = None
    celery_name: str | None = None
    host: str
    pid: int
    version: str
    concurrency: int = 1


@dataclass(frozen=True, slots=True)
class Allowance:
    """A provider's own rate limit, in its own words: `left` of `most` calls, and all of them after `reset`.

    `age` is how long ago it said so; `reset` counts from now, as `age` does.
    """

    most: int
    left: int
    reset: timedelta
    age: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a process is at. `rss` is its memory in bytes; `stopping` says that it was told to end."""

    rss: int
    stopping: bool
    running: int = 0
    jobs_done: int = 0
    allowance: Allowance | None = None


@dataclass(frozen=True, slots=True)
class Orders:
    """What operators want of a process: to take no new jobs; another `rate` than the catalog's, or None."""

    quiet: bool
    rate: str | None


@dataclass(frozen=True, slots=True)
class Member:
    """A process, and how long ago it was last heard of."""

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
    at_it = {
        "running": load.running,
        "jobs_done": load.jobs_done,
        "rss": load.rss,
        "stopping": load.stopping,
        **_told(load.allowance),
    }
    said = (
        insert(Worker)
        .values(**asdict(process), **at_it)
        .on_conflict_do_update(index_elements=[Worker.name], set_={**at_it, "seen_at": func.clock_timestamp()})
        .returning(Worker.quiet, rate)
    )
    quiet, rate_wanted = session.execute(said).one()
    return Orders(quiet, rate_wanted)


def _told(allowance: Allowance | None) -> dict[str, object]:
    """By the database's clock, which all processes share."""
    if allowance is None:
        return {}
    return {
        "allowance": allowance.most,
        "allowance_left": allowance.left,
        "allowance_reset_at": func.clock_timestamp() + allowance.reset,
        "allowance_at": func.clock_timestamp() - allowance.age,
    }


def every(session: Session) -> Sequence[Member]:
    """All processes that were heard of within a day, by provider and age."""
    age = func.clock_timestamp() - Worker.seen_at
    known = select(Worker, age).order_by(Worker.provider, Worker.part, Worker.started_at, Worker.name)
    return [Member(worker, silence) for worker, silence in session.execute(known)]


def allowances(session: Session) -> Mapping[str, Allowance]:
    """What each provider told last, to whichever worker; those that tell nothing are left out."""
    now, reset_at = func.clock_timestamp(), Worker.allowance_reset_at
    newest = (
        select(Worker.provider, Worker.allowance, Worker.allowance_left, reset_at - now, now - Worker.allowance_at)
        .where(Worker.allowance_at.is_not(None))
        .order_by(Worker.provider, Worker.allowance_at.desc())
        .ext(distinct_on(Worker.provider))
    )
    return {provider: _as_of_now(*told) for provider, *told in session.execute(newest)}


def _as_of_now(most: int, left: int, reset: timedelta, age: timedelta) -> Allowance:
    """Once it is over, nothing is used of it that we would know of."""
    over = reset <= timedelta()
    return Allowance(most, most if over else left, timedelta() if over else reset, age)


def at_work(session: Session) -> Mapping[tuple[Part, str | None], int]:
    """How many processes there are of each part and provider, those that are quiet or about to end aside."""
    wanted = (Worker.seen_at > func.clock_timestamp() - LOST, ~Worker.quiet, ~Worker.stopping)
    group = (Worker.part, Worker.provider)
    found = select(*group, func.count().label("processes")).where(*wanted).group_by(*group)
    return {(row.part, row.provider): row.processes for row in session.execute(found)}


def quieten(session: Session, name: str, *, quiet: bool) -> bool:
    """Have a worker take no new jobs, or take them again, at its next beat. False where there is none.

    What it has at hand it finishes; what the broker holds waits for the other processes of its provider.
    """
    named = (Worker.name == name, Worker.part == Part.WORKER)
    wanted = update(Worker).where(*named).values(quiet=quiet).returning(Worker.name)
    return session.execute(wanted).one_or_none() is not None


def forget(session: Session) -> None:
    """Drop the rows of processes that are long gone."""
    session.execute(delete(Worker).where(Worker.seen_at < func.clock_timestamp() - KEPT))
