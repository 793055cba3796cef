"""The clerk process: reads files of batches into jobs, and writes what came of them into files.

What it does is on the ledger step by step, so that another one goes on where one was killed; of several, one at a
time sees to a batch.
"""

import gc
import signal
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from datetime import timedelta
from threading import Event

import structlog
from sqlalchemy.exc import SQLAlchemyError

from api.batches import reading
from api.batches.reading import Reader, Row
from api.batches.writing import Writer
from api.envelopes import CAPS
from api.errors import ERRORS
from core import files, keys, logs
from core.batches import lines, progress
from core.batches.lines import Overtaken, Place
from core.batches.progress import Situation
from core.bootstrap import Services, assemble
from core.errors import CapReached, InvalidRequest, StoreUnavailable
from core.files import BATCH_INPUT, BATCH_OUTPUT
from core.orm import Batch, File
from core.settings import Settings
from core.states import BatchStatus, JobState

# Batches that one process is at work on at once; a small one need not wait for a large one.
HANDS = 4
TICK_SECONDS = 0.5
# A batch that could not be gone on with is left alone for so long.
REST_SECONDS = 5.0
# Lines that become jobs in one transaction, and bytes of them.
CHUNK_LINES = 5000
CHUNK_BYTES = 8 * 1024 * 1024

log = structlog.get_logger()


class Stopping(Exception):
    """The process is to end; the batch is gone on with by the next."""


def run(settings: Settings) -> None:
    """See to batches until SIGTERM or SIGINT."""
    logs.configure()
    services = assemble(settings)
    stop = Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: stop.set())
    clerk = Clerk(services, stop)
    gc.freeze()  # lines come by the ten thousand: what is here to stay need not be looked through for each lot
    with ThreadPoolExecutor(HANDS) as hands:
        working = [hands.submit(clerk.work) for _ in range(HANDS)]
        log.info("clerk.ready")
        ended, _ = wait(working, return_when=FIRST_COMPLETED)
        stop.set()  # a hand that failed ends the process, which is started again
    services.close()
    for each in ended:
        each.result()


class Clerk:
    """Sees to one batch after the other; several threads may at once."""

    def __init__(self, services: Services, stop: Event) -> None:
        self._services = services
        self._stop = stop
        self._resting: dict[str, float] = {}

    def work(self) -> None:
        while not self._stop.wait(TICK_SECONDS):
            try:
                self.look()
            except (SQLAlchemyError, OSError) as error:
                log.warning("clerk.failed", error=str(error).partition("\n")[0])

    def look(self) -> None:
        """See to every batch with which something is to be done, and that nobody else sees to."""
        with self._services.database.single() as session:
            found = progress.to_do(session)
        for batch_id in found:
            if self._stop.is_set():
                return
            if self._resting.get(batch_id, 0.0) <= time.monotonic():
                self._see_to(batch_id)

    def _see_to(self, batch_id: str) -> None:
        try:
            with progress.claim(self._services.database, batch_id) as mine:
                if mine:
                    self._go_on(batch_id)
        except (Stopping, Overtaken):
            log.info("batch.left", batch_id=batch_id)
        except Exception as error:  # one batch must not keep all others waiting
            bug = not isinstance(error, SQLAlchemyError | OSError | StoreUnavailable)
            log.warning("batch.stuck", batch_id=batch_id, error=str(error).partition("\n")[0], exc_info=bug)
            self._resting[batch_id] = time.monotonic() + REST_SECONDS

    def _go_on(self, batch_id: str) -> None:
        found = self._find(batch_id)
        if found.batch.status is BatchStatus.VALIDATING:
            self._validate(found.batch)
            found = self._find(batch_id)
        if found.batch.ended_at:
            return
        if found.unread and found.batch.status is not BatchStatus.VALIDATING and found.batch.total:
            self._record(found.batch)
            found = self._find(batch_id)
        if found.overdue or found.batch.status is BatchStatus.CANCELLING:
            self._call_off(batch_id)
            found = self._find(batch_id)
        if found.all_settled:
            self._finish(found.batch)

    def _find(self, batch_id: str) -> Situation:
        with self._services.database.single() as session:
            return progress.situation(session, batch_id)

    def _validate(self, batch: Batch) -> None:
        """Look at every line before any is made; then all are accepted, or none."""
        with self._services.database.single() as session:
            file = files.own(session, batch.key_id, batch.input_file_id)
        if file is None or file.purpose != BATCH_INPUT:
            self._refuse(batch, [reading.fault(_no_file(batch, file), line=None)])
            return
        survey = reading.survey(self._rows(file), self._reader(batch))
        if faults := survey.verdict():
            self._refuse(batch, faults)
            return
        try:
            with self._services.database.transaction() as session:
                progress.begin(session, batch, total=survey.total, price=survey.price)
        except CapReached as error:
            self._refuse(batch, [reading.fault(_too_dear(error), line=None)])
        else:
            log.info("batch.begun", batch_id=batch.id, lines=survey.total, price=str(survey.price))

    def _refuse(self, batch: Batch, faults: list[dict[str, object]]) -> None:
        with self._services.database.transaction() as session:
            progress.refuse(session, batch.id, faults)
        log.info("batch.refused", batch_id=batch.id, faults=len(faults))

    def _record(self, batch: Batch) -> None:
        """Make jobs of what is not read yet, a chunk at a time."""
        reader = self._reader(batch)
        with self._services.database.single() as session:
            file = session.get_one(File, batch.input_file_id)
        place = Place(batch.read_lines, batch.read_bytes)
        for chunk in _chunks(self._rows(file, place)):
            recorded = [reader.read(row) for row in chunk if not row.is_blank]
            with self._services.database.transaction() as session:
                lines.record(session, batch, recorded, end=chunk[-1].end)
            batch = self._find(batch.id).batch
            self._start({line.model.provider for line in recorded})
        log.info("batch.read", batch_id=batch.id, lines=batch.read_lines)

    def _call_off(self, batch_id: str) -> None:
        """End what has not begun; what runs goes on, and is paid for."""
        called_off = 0
        while True:
            self._mind_the_stop()
            with self._services.database.transaction() as session:
                rows = lines.call_off(session, batch_id)
            if not rows:
                break
            called_off += len(rows)
            self._start({row.provider for row in rows})
        if called_off:
            log.info("batch.called_off", batch_id=batch_id, lines=called_off)

    def _finish(self, batch: Batch) -> None:
        """Write what came of the lines. Whoever is killed at it leaves files that the next one writes again."""
        with self._services.database.transaction() as session:
            progress.start_finalizing(session, batch.id)
        failed = batch.failed + batch.cancelled
        output = self._write(batch, "output", JobState.COMPLETED) if batch.completed else None
        errors = self._write(batch, "error", JobState.FAILED, JobState.CANCELLED) if failed else None
        lifetime = timedelta(seconds=batch.output_seconds)
        with self._services.database.transaction() as session:
            for file in filter(None, (output, errors)):
                files.record(session, file, lifetime=lifetime)
            if not progress.finish(session, batch.id, output=output, errors=errors):
                raise Overtaken
        log.info("batch.ended", batch_id=batch.id, completed=batch.completed, lines=batch.total)

    def _write(self, batch: Batch, what: str, *states: JobState) -> File:
        key = f"batches/{batch.id}/{what}.jsonl"
        written = Writer(self._services, batch).file(states)
        return File(
            id=files.new_id(),
            key_id=batch.key_id,
            purpose=BATCH_OUTPUT,
            filename=f"{batch.id}_{what}.jsonl",
            bytes=self._services.storage.put_pieces(key, self._until_stopped(written)),
            object_key=key,
        )

    def _rows(self, file: File, begin: Place = lines.START) -> Iterator[Row]:
        ranges = self._services.storage.ranges(file.object_key, begin.bytes, file.bytes)
        return reading.rows(self._until_stopped(ranges), begin)

    def _reader(self, batch: Batch) -> Reader:
        with self._services.database.single() as session:
            key = keys.get(session, batch.key_id)
        assert key  # keys are never deleted
        allowed = key.models
        return Reader(
            self._services.catalog,
            self._services.settings.default_model,
            lambda model: allowed is None or model in allowed,
        )

    def _start(self, providers: Iterable[str]) -> None:
        for provider in sorted(providers):
            self._services.intake.start_due(provider)

    def _until_stopped(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._mind_the_stop()
            yield piece

    def _mind_the_stop(self) -> None:
        if self._stop.is_set():
            raise Stopping


def _chunks(rows: Iterator[Row]) -> Iterator[list[Row]]:
    chunk: list[Row] = []
    size = 0
    for row in rows:
        chunk.append(row)
        size += len(row.text or b"")
        if len(chunk) >= CHUNK_LINES or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _no_file(batch: Batch, file: File | None) -> InvalidRequest:
    fault = f"its purpose is '{file.purpose}'" if file else "it does not exist, or has expired"
    message = f"Cannot find file {batch.input_file_id} for a batch: {fault}."
    return InvalidRequest(message, code="invalid_request", param="file_id")


def _too_dear(error: CapReached) -> InvalidRequest:
    answer = ERRORS[CapReached]
    return InvalidRequest(answer.message.format(cap=CAPS[error.cap]), code=answer.code)
