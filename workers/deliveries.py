"""The deliverer: tells events to webhooks, beside the scheduler's duties and never in their way.

What it takes up is leased in the ledger: several deliverers share the work, and that of one that dies is taken on.
"""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from threading import Event, Thread, current_thread
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from structlog.contextvars import bound_contextvars

from core import deliveries
from core.database import UNAVAILABLE, Database
from core.deliveries import Claim, Outcome
from workers import messages, patience
from workers.providers.http import Answer, legible
from workers.targets import Targets, Unreachable

TICK_SECONDS = 0.5
MOST_AT_ONCE = 64
# A key takes no more places than a third of those that are left free: a quarter of all by itself, fewer beside
# others whose receivers hang. So there are some for whoever comes next.
LEFT_FOR_ONE = 3
# To one webhook, or to all single addresses of a key.
MOST_OF_A_LANE = 4
# For so long the answers to what is under way are waited for when the process ends.
PARTING_SECONDS = 3.0

GONE = 410
REDIRECTS = range(300, 400)
SUCCESSES = range(200, 300)
CRASHED = "an error of our own"
# What log lines call the id of what an event is about.
NAMES = {"image.generation.job": "job_id", "batch": "batch_id", "webhook": "webhook_id"}

log = structlog.get_logger()


class Deliverer:
    """One a process; each try has a thread, which waits and little else."""

    def __init__(
        self, database: Database, targets: Targets, *, schedule: Sequence[timedelta] = patience.SCHEDULE
    ) -> None:
        self._database = database
        self._targets = targets
        self._schedule = schedule
        self._under_way: dict[Thread, Claim] = {}
        self._news, self._stopping = Event(), Event()
        self._loop = Thread(target=self._run, name="deliverer", daemon=True)

    def start(self) -> None:
        self._loop.start()

    @property
    def is_at_work(self) -> bool:
        """False once it has been stopped, or a bug has ended it."""
        return self._loop.is_alive()

    def stop(self) -> None:
        """Take up nothing new. What is cut off now is tried again when its lease is over."""
        self._stopping.set()
        self._news.set()
        deadline = time.monotonic() + PARTING_SECONDS
        for thread in (self._loop, *list(self._under_way)):
            if thread.is_alive():  # the last one is not where the loop died of not being able to start it
                thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._news.clear()
            claimed = self._claim()
            for claim in claimed:
                thread = Thread(target=self._attempt, args=(claim,), name="delivery", daemon=True)
                self._under_way[thread] = claim
                thread.start()
            if not claimed:
                self._news.wait(TICK_SECONDS)

    def _claim(self) -> list[Claim]:
        under_way = list(self._under_way.values())
        free = MOST_AT_ONCE - len(under_way)
        if free == 0:
            return []
        busy_lanes, of_a_lane = _bound((claim.lane for claim in under_way), MOST_OF_A_LANE)
        busy_keys, of_a_key = _bound((claim.key_id for claim in under_way), max(free // LEFT_FOR_ONE, 1))
        room = min(free, of_a_lane, of_a_key)
        try:
            with self._database.transaction() as session:
                return deliveries.claim(session, most=room, busy_lanes=busy_lanes, busy_keys=busy_keys)
        except SQLAlchemyError as error:
            log.warning("duty.failed", duty="deliver", error=str(error).partition("\n")[0])
            return []

    def _attempt(self, claim: Claim) -> None:
        try:
            self.tell(claim)
        except UNAVAILABLE as error:
            log.warning("duty.failed", duty="deliver", error=str(error).partition("\n")[0])
        finally:
            del self._under_way[current_thread()]
            self._news.set()

    def tell(self, claim: Claim) -> None:
        """One try, and what follows from it. Raises UNAVAILABLE where Postgres is away for too long."""
        with bound_contextvars(**_facts(claim)):
            try:
                self._conclude(claim, *self._send(claim))
            except UNAVAILABLE:
                raise
            except Exception:  # a bug that one event brings out must not keep it due for ever: ADR 0016
                log.exception("delivery.crashed")
                self._conclude(claim, None, Outcome(0.0, None, CRASHED))

    def _conclude(self, claim: Claim, answer: Answer | None, outcome: Outcome) -> None:
        log.info(
            "delivery.tried",
            status=outcome.status,
            fault=outcome.fault,
            seconds=round(outcome.seconds, 3),
        )
        self._database.insist(
            lambda session: self._move(session, claim, answer, outcome),
            seconds=deliveries.LEASE.total_seconds(),
        )

    def _send(self, claim: Claim) -> tuple[Answer | None, Outcome]:
        if claim.moot:
            return None, Outcome(0.0, None, claim.moot)
        body = messages.body(claim)
        headers = messages.headers(claim, body, at=datetime.now(UTC))
        began = time.monotonic()
        try:
            answer = self._targets.post(claim.url, body.encode(), headers)
        except Unreachable as error:
            return None, Outcome(time.monotonic() - began, None, str(error))
        return answer, Outcome(time.monotonic() - began, answer.status, fault_of(answer))

    def _move(self, session: Session, claim: Claim, answer: Answer | None, outcome: Outcome) -> None:
        if outcome.fault is None:
            deliveries.succeed(session, claim, outcome)
            return
        gone = outcome.status == GONE
        wish = answer.retry_after if answer else None
        delay = patience.delay_after(claim.tries, retry_after=wish, schedule=self._schedule)
        if gone or delay is None or claim.moot:
            deliveries.give_up(session, claim, outcome, gone=gone)
        else:
            deliveries.retry_later(session, claim, outcome, delay=delay)


def _facts(claim: Claim) -> dict[str, str | int | None]:
    """What each line about a try says of it."""
    return {
        "delivery_id": str(claim.delivery_id),
        "webhook_id": str(claim.webhook_id) if claim.webhook_id else None,
        "event_type": claim.event,
        "tries": claim.tries,
        NAMES[claim.subject["object"]]: claim.subject["id"],
    }


def _bound(under_way: Iterable[UUID], most: int) -> tuple[list[UUID], int]:
    """Those that have `most` under way, or more, and how many more of any one else may be claimed at once."""
    tries = Counter(under_way)
    busy = [each for each, number in tries.items() if number >= most]
    # What is claimed may all be of one, and that the fullest that is not busy.
    return busy, most - max((number for number in tries.values() if number < most), default=0)


def fault_of(answer: Answer) -> str | None:
    """Why an answer does not do; None where it does."""
    if answer.status in SUCCESSES:
        return None
    if answer.status in REDIRECTS:
        return f"redirected to {legible(answer.headers.get('location', 'nowhere'), most=500)}; not followed"
    return "gone for good: the webhook is disabled" if answer.status == GONE else "not taken"
