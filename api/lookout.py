"""Watches the jobs that somebody follows: one look at the ledger a second, for all streams of a process."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Lock, Thread
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core import reports
from core.database import Database
from core.reports import Report

LOOK_SECONDS = 1.0

log = structlog.get_logger()


class Post:
    """Where one stream waits for news of its job."""

    def __init__(self, job_id: UUID) -> None:
        self.job_id = job_id
        self.closed = False
        self._changed = Event()
        self._latest: Report | None = None

    def wait(self, seconds: float) -> Report | None:
        """The newest report once it differs from the one before; None when it took longer, or it is closed."""
        if not self._changed.wait(seconds) or self.closed:
            return None
        self._changed.clear()
        return self._latest

    def show(self, report: Report) -> None:
        if self._latest is None or _mark(report) != _mark(self._latest):
            self._latest = report
            self._changed.set()

    def close(self) -> None:
        self.closed = True
        self._changed.set()


def _mark(report: Report) -> tuple[int, int, int | None]:
    """What differs where there is news."""
    return len(report.history), len(report.pictures), report.queue_position


class Lookout:
    """Looks as long as somebody follows a job; streams hold no connection to the database.

    When `closing` is set the process is about to end: all posts are closed.
    """

    def __init__(self, database: Database, closing: Event) -> None:
        self._database = database
        self._closing = closing
        self._posts: set[Post] = set()
        self._looking = False
        self._lock = Lock()

    @contextmanager
    def post(self, job_id: UUID) -> Iterator[Post]:
        """A post at a job, given up at the end of the block."""
        post = Post(job_id)
        with self._lock:
            self._posts.add(post)
            begins, self._looking = not self._looking, True
        if self._closing.is_set():
            post.close()
        elif begins:
            Thread(target=self._look_out, name="lookout", daemon=True).start()
        try:
            yield post
        finally:
            with self._lock:
                self._posts.discard(post)

    def _look_out(self) -> None:
        while posts := self._taken():
            try:
                self._look(posts)
            except SQLAlchemyError as error:
                log.warning("lookout.blind", error=str(error).partition("\n")[0])
            if self._closing.wait(LOOK_SECONDS):
                self._close_all()
                return

    def _close_all(self) -> None:
        with self._lock:
            for post in self._posts:
                post.close()

    def _taken(self) -> list[Post]:
        """All posts; where there is none, the next one has to begin to look again."""
        with self._lock:
            self._looking = bool(self._posts)
            return list(self._posts)

    def _look(self, posts: list[Post]) -> None:
        with self._database.single() as session:
            found = reports.of_jobs(session, {post.job_id for post in posts})
        for post in posts:
            if report := found.get(post.job_id):
                post.show(report)
