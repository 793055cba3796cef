"""The seats of a process: one for each call that waits, by the job that it waits for."""

from enum import Enum, auto
from threading import Condition, Event
from typing import TypeVar
from uuid import UUID

from api.calls import Call, Sign
from core.results import Result

# So long a retry waits for the call that it overtook to be recorded.
OVERTAKING_SECONDS = 5.0

Place = TypeVar("Place", UUID, Sign)


class Parting(Enum):
    """Why a call waits no longer although its job is not settled."""

    TOO_LONG = auto()
    HUNG_UP = auto()
    CLOSING = auto()


class Seat:
    """Where one call waits for a job: from when it has `sat_down`, and until whatever comes first."""

    __slots__ = ("_done", "_outcome", "call", "job_id", "sat_down")

    def __init__(self, job_id: UUID, call: Call) -> None:
        self.job_id = job_id
        self.call = call
        self.sat_down = False
        self._done = Event()
        self._outcome: Result | Parting = Parting.TOO_LONG

    def wait(self, seconds: float) -> Result | Parting:
        self._done.wait(seconds)
        return self._outcome

    def end(self, outcome: Result | Parting) -> None:
        if not self._done.is_set():
            self._outcome = outcome
            self._done.set()


class Seats:
    """Who waits for what; several calls may wait for one job."""

    def __init__(self) -> None:
        self._by_job: dict[UUID, set[Seat]] = {}
        self._by_sign: dict[Sign, set[Seat]] = {}  # thousands may come back at once: nobody looks at all seats
        self._changing = Condition()

    def __contains__(self, job_id: UUID) -> bool:
        return job_id in self._by_job

    def jobs(self) -> list[UUID]:
        with self._changing:
            return list(self._by_job)

    def of(self, *job_ids: UUID) -> list[Seat]:
        with self._changing:
            return [seat for job_id in job_ids for seat in self._by_job.get(job_id, ())]

    def held(self, call: Call) -> set[UUID]:
        """The jobs of equal calls: with the same key and fingerprint."""
        return {seat.job_id for seat in self._equal(call)}

    def take(self, seat: Seat) -> None:
        with self._changing:
            self._by_job.setdefault(seat.job_id, set()).add(seat)
            self._by_sign.setdefault(seat.call.sign, set()).add(seat)

    def give_up(self, seat: Seat) -> None:
        with self._changing:
            _remove(self._by_job, seat.job_id, seat)
            _remove(self._by_sign, seat.call.sign, seat)

    def sit_down(self, seat: Seat) -> None:
        """Its job is on the ledger, or will never be."""
        with self._changing:
            seat.sat_down = True
            self._changing.notify_all()

    def let_earlier_sit_down(self, call: Call) -> None:
        """Have a retry wait for the calls that it may repeat: before, it would not find their jobs.

        A process that had to stop for a moment reads a call and its retry at once.
        """
        if not call.retry_count:
            return
        earlier = [seat for seat in self._equal(call) if (seat.call.retry_count or 0) < call.retry_count]
        with self._changing:
            self._changing.wait_for(lambda: all(seat.sat_down for seat in earlier), OVERTAKING_SECONDS)

    def _equal(self, call: Call) -> list[Seat]:
        with self._changing:
            return list(self._by_sign.get(call.sign, ()))


def _remove(seats: dict[Place, set[Seat]], place: Place, seat: Seat) -> None:
    seats[place].discard(seat)
    if not seats[place]:
        del seats[place]
