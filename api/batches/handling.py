"""What the clerk does with a batch: takes its file or refuses it, makes jobs of its lines, writes its results."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from threading import Event

import structlog

from api.batches import again, reading
from api.batches.reading import Reader, Row, Survey
from api.batches.writing import Writer
from api.envelopes import CAPS
from api.errors import ERRORS
from core import files, keys
from core.batches import brake, lines, pictures, progress
from core.batches.lines import Overtaken, Place
from core.batches.progress import Situation
from core.bootstrap import Services
from core.errors import CapReached, InvalidRequest, ObjectLost
from core.files import BATCH_INPUT, BATCH_OUTPUT
from core.orm import Batch, File
from core.states import BatchStatus, JobState

# Lines that become jobs in one transaction, and bytes of them.
CHUNK_LINES = 5000
CHUNK_BYTES = 8 * 1024 * 1024

log = structlog.get_logger()


class Stopping(Exception):
    """The process is to end; the batch is gone on with by the next."""


@dataclass(frozen=True, slots=True)
class Handling:
    """The steps of any batch, each from what is on the ledger; they end early where the process is to `stop`."""

    services: Services
    stop: Event

    def go_on(self, batch_id: str) -> None:
        """Do what is to be done now. Raises Overtaken, StoreUnavailable, Stopping."""
        found = self._find(batch_id)
        if found.batch.status is BatchStatus.VALIDATING:
            self._validate(found.batch)
        elif found.unread and found.batch.total:
            self._appraise(found.batch)
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

    def give_up(self, batch_id: str) -> None:
        """End the reading of a batch that cannot be read, once its time is over or it is cancelled.

        Before that the next release may read it. What was made of it is delivered. Raises Overtaken.
        """
        found = self._find(batch_id)
        if found.batch.status is BatchStatus.VALIDATING:
            if found.overdue:
                self._refuse(found.batch, [reading.fault(_unreadable(found.batch), line=None)])
        elif found.unread and (found.overdue or found.batch.status is BatchStatus.CANCELLING):
            self._break_off(found.batch, [reading.fault(_unreadable(found.batch), line=None)])

    def _find(self, batch_id: str) -> Situation:
        with self.services.database.single() as session:
            return progress.situation(session, batch_id)

    def _validate(self, batch: Batch) -> None:
        """Look at every line before any is made; then all are accepted, or none."""
        file = self._input(batch)
        if file is None or file.purpose != BATCH_INPUT:
            self._refuse(batch, [reading.fault(_no_file(batch, file), line=None)])
            return
        survey = self._survey(batch, file)
        if faults := survey.verdict():
            self._refuse(batch, faults)
            return
        try:
            with self.services.database.transaction() as session:
                begun = progress.begin(session, batch, total=survey.total, price=survey.price)
        except CapReached as error:
            self._refuse(batch, [reading.fault(_too_dear(error), line=None)])
            return
        if begun:
            log.info("batch.begun", batch_id=batch.id, lines=survey.total, price=str(survey.price))

    def _input(self, batch: Batch) -> File | None:
        """The file that it is made of; that of a retry is written first."""
        with self.services.database.single() as session:
            found = files.input_of(session, batch)
            is_written = session.get(File, batch.input_file_id) is not None
        if is_written or batch.retry_of is None:
            return found
        return again.write(self.services, batch, self._until_stopped(again.content(self.services, batch.retry_of)))

    def _survey(self, batch: Batch, file: File) -> Survey:
        """What the lines that are not read yet come to."""
        try:
            return reading.survey(self._rows(batch, file), self._reader(batch))
        except ObjectLost:  # it will not come back
            return Survey(faults=[reading.fault(_lost(batch), line=None)])

    def _refuse(self, batch: Batch, faults: list[dict[str, object]]) -> None:
        with self.services.database.transaction() as session:
            progress.refuse(session, batch.id, faults)
        log.info("batch.refused", batch_id=batch.id, faults=len(faults))

    def _appraise(self, batch: Batch) -> None:
        """Look anew at what is not read yet of a batch that was accepted earlier.

        The clerk that accepted it may have had another catalog. What is set aside for it follows the prices that
        its lines will be recorded with, or their settlement would take more than there is, or leave some for good.
        """
        survey = self._survey(batch, self._accepted(batch))
        if survey.faults:
            self._break_off(batch, survey.verdict())
            return
        try:
            with self.services.database.transaction() as session:
                if not progress.reprice(session, batch, unread=survey.price):
                    raise Overtaken
        except CapReached as error:
            self._break_off(batch, [reading.fault(_too_dear(error), line=None)])

    def _record(self, batch: Batch) -> None:
        """Make jobs of what is not read yet, a chunk at a time."""
        reader, file = self._reader(batch), self._accepted(batch)
        try:
            for chunk, end in _chunks(self._rows(batch, file)):
                recorded = [reader.read(row) for row in chunk]
                with self.services.database.transaction() as session:
                    lines.record(session, batch, recorded, end=end)
                batch = self._find(batch.id).batch
                self._start({line.model.provider for line in recorded})
        except (InvalidRequest, ObjectLost):  # catalog, key or store are not what they were when it was accepted
            if faults := self._survey(batch, file).verdict():
                self._break_off(batch, faults)
        else:
            log.info("batch.read", batch_id=batch.id, lines=batch.read_lines)

    def _break_off(self, batch: Batch, faults: list[dict[str, object]]) -> None:
        with self.services.database.transaction() as session:
            if not progress.break_off(session, batch, faults):
                raise Overtaken
        log.warning("batch.broken_off", batch_id=batch.id, lines=batch.read_lines, faults=len(faults))

    def _call_off(self, batch_id: str) -> None:
        """End what has not begun; what runs goes on, and is paid for."""
        called_off = after = 0
        while True:
            self._mind_the_stop()
            with self.services.database.transaction() as session:
                rows = brake.call_off(session, batch_id, after=after)
            if not rows:
                break
            called_off += len(rows)
            after = max(row.line for row in rows)
            self._start({row.provider for row in rows})
        if called_off:
            log.info("batch.called_off", batch_id=batch_id, lines=called_off)

    def _finish(self, batch: Batch) -> None:
        """Write what came of the lines. Whoever is killed at it leaves files that the next one writes again."""
        with self.services.database.transaction() as session:
            progress.start_finalizing(session, batch.id)
        failed = batch.failed + batch.cancelled
        output = self._write(batch, "output", JobState.COMPLETED) if batch.completed else None
        errors = self._write(batch, "error", JobState.FAILED, JobState.CANCELLED) if failed else None
        for _ in pictures.keep(self.services.database, batch):
            self._mind_the_stop()
        lifetime = timedelta(seconds=batch.output_seconds)
        with self.services.database.transaction() as session:
            for file in filter(None, (output, errors)):
                files.record(session, file, lifetime=lifetime)
            if not progress.finish(session, batch.id, output=output, errors=errors):
                raise Overtaken
        log.info("batch.ended", batch_id=batch.id, completed=batch.completed, lines=batch.total)

    def _write(self, batch: Batch, what: str, *states: JobState) -> File:
        key = f"batches/{batch.id}/{what}.jsonl"
        writer = Writer(self.services, batch)
        written = self._until_stopped(writer.file(states))
        return File(
            id=files.new_id(),
            key_id=batch.key_id,
            purpose=BATCH_OUTPUT,
            filename=f"{batch.id}_{what}.jsonl",
            bytes=self.services.storage.put_pieces(key, written, most=writer.most_bytes()),
            object_key=key,
        )

    def _rows(self, batch: Batch, file: File) -> Iterator[Row]:
        """The lines that are not read yet. Raises StoreUnavailable."""
        place = Place(batch.read_lines, batch.read_bytes)
        ranges = self.services.storage.ranges(file.object_key, place.bytes, file.bytes)
        return reading.rows(self._until_stopped(ranges), place)

    def _accepted(self, batch: Batch) -> File:
        with self.services.database.single() as session:
            return session.get_one(File, batch.input_file_id)

    def _reader(self, batch: Batch) -> Reader:
        with self.services.database.single() as session:
            key = keys.get(session, batch.key_id)
        assert key  # keys are never deleted
        allowed = key.models
        return Reader(
            self.services.catalog,
            self.services.settings.default_model,
            lambda model: allowed is None or model in allowed,
        )

    def _start(self, providers: Iterable[str]) -> None:
        for provider in sorted(providers):
            self.services.intake.start_due(provider)

    def _until_stopped(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._mind_the_stop()
            yield piece

    def _mind_the_stop(self) -> None:
        if self.stop.is_set():
            raise Stopping


def _chunks(rows: Iterator[Row]) -> Iterator[tuple[list[Row], Place]]:
    """Rows that are not blank, and where the next ones begin."""
    chunk: list[Row] = []
    size, end = 0, None
    for row in rows:
        end = row.end
        if row.is_blank:
            continue
        chunk.append(row)
        size += len(row.text or b"")
        if len(chunk) >= CHUNK_LINES or size >= CHUNK_BYTES:
            yield chunk, end
            chunk, size, end = [], 0, None
    if end:
        yield chunk, end


def _no_file(batch: Batch, file: File | None) -> InvalidRequest:
    return _unfit(batch, f"its purpose is '{file.purpose}'" if file else "it does not exist, or has expired")


def _lost(batch: Batch) -> InvalidRequest:
    return _unfit(batch, "its content is lost")


def _unreadable(batch: Batch) -> InvalidRequest:
    return _unfit(batch, "the service failed to read it to its end in time")


def _unfit(batch: Batch, fault: str) -> InvalidRequest:
    message = f"Cannot find file {batch.input_file_id} for a batch: {fault}."
    return InvalidRequest(message, code="invalid_request", param="file_id")


def _too_dear(error: CapReached) -> InvalidRequest:
    answer = ERRORS[CapReached]
    return InvalidRequest(answer.message.format(cap=CAPS[error.cap]), code=answer.code)
