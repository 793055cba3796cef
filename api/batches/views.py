"""/v1/batches: a caller's own batches, and nobody else's."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import Request
from sqlalchemy.orm import Session

from api import listing
from api.batches import again, schemas
from api.batches.schemas import BatchList, BatchObject, ResultList, batch_response
from api.batches.writing import Writer
from api.bodies import read_json
from core.batches import brake, lines, orders, outlook, pictures
from core.batches.orders import Search
from core.batches.outlook import Outlook
from core.bootstrap import Services
from core.errors import BatchMissing, BatchUnfit, PromptsForgotten
from core.keys import Caller
from core.orm import Batch
from core.states import BatchStatus

LAST_LINE = 2**31 - 1


def create(services: Services, caller: Caller, request: Request, *, request_id: str) -> dict[str, Any]:
    """What is wrong with its file is told later, of the batch. Raises InvalidRequest."""
    most_seconds = services.settings.most_output_seconds
    fields = schemas.parse(read_json(request), most_seconds=most_seconds)
    life = fields.output_expires_after
    batch = Batch(
        id=orders.new_id(),
        key_id=caller.key_id,
        endpoint=fields.endpoint,
        completion_window=fields.completion_window,
        input_file_id=fields.input_file_id,
        request_id=request_id,
        metadata_=fields.metadata,
        output_seconds=life.seconds if life else min(schemas.USUAL_LIFE, most_seconds),
    )
    return _submit(services, caller, request, batch)


def _submit(services: Services, caller: Caller, request: Request, batch: Batch) -> dict[str, Any]:
    with services.database.transaction() as session:
        orders.take_turn(session, batch)
        found = orders.twin(session, batch) if _is_retried(request, caller) else None
        return _show(services, session, found or orders.create(session, batch)).to_json()


def _is_retried(request: Request, caller: Caller) -> bool:
    """By the official SDKs' own count: the answer to the first call was lost."""
    return caller.reattaches and request.headers.get("x-stainless-retry-count", "0") != "0"


def one(services: Services, caller: Caller, batch_id: str) -> dict[str, Any]:
    """Raises BatchMissing."""
    batch = _find(services, caller, batch_id)
    with services.database.single() as session:
        return _show(services, session, batch).to_json()


def every(services: Services, caller: Caller, query: Mapping[str, str]) -> dict[str, Any]:
    """A page of batches, newest first. Raises InvalidRequest."""
    search = Search(**{"limit": listing.USUAL_LIMIT, **listing.read(query, PARAMETERS)})
    with services.database.single() as session:
        found = orders.page(session, caller.key_id, replace(search, limit=search.limit + 1))
        shown = [_show(services, session, batch) for batch in found[: search.limit]]
    return BatchList(**listing.envelope(shown, has_more=len(found) > search.limit)).to_json()


def cancel(services: Services, caller: Caller, batch_id: str) -> dict[str, Any]:
    """Cancelling a batch once more changes nothing. Raises BatchMissing, BatchUnfit."""
    batch = _find(services, caller, batch_id)
    with services.database.transaction() as session:
        orders.start_cancelling(session, batch.id)
    brake.adjust(services.database, batch.id)  # nothing more of it starts, however long the clerk is away
    batch = _find(services, caller, batch_id)
    if batch.status not in {BatchStatus.CANCELLING, BatchStatus.CANCELLED}:
        raise BatchUnfit("cancel", batch.status)
    return batch_response(batch, Outlook()).to_json()


def pause(services: Services, caller: Caller, batch_id: str, *, paused: bool) -> dict[str, Any]:
    """Hold the lines that are not under way, or let them go. Raises BatchMissing, BatchUnfit."""
    batch = _find(services, caller, batch_id)
    with services.database.transaction() as session:
        changed = orders.set_paused(session, batch.id, paused=paused)
    if not changed:
        raise BatchUnfit("pause" if paused else "resume", batch.status)
    for provider in sorted(brake.adjust(services.database, batch.id)):
        services.intake.start_due(provider)
    return one(services, caller, batch_id)


def retry(
    services: Services, caller: Caller, request: Request, batch_id: str, *, request_id: str
) -> dict[str, Any]:
    """Make a batch of those lines that have no pictures. Raises BatchMissing, BatchUnfit, PromptsForgotten."""
    batch = _find(services, caller, batch_id)
    if batch.ended_at is None or not batch.failed + batch.cancelled:
        raise BatchUnfit("retry the failed lines of", batch.status)
    with services.database.single() as session:
        if not lines.can_be_made_again(session, batch):
            raise PromptsForgotten
    return _submit(services, caller, request, again.order(batch, request_id=request_id))


def results(services: Services, caller: Caller, batch_id: str, query: Mapping[str, str]) -> dict[str, Any]:
    """Lines that have ended; of their pictures a new hour begins. Raises BatchMissing, InvalidRequest."""
    batch = _find(services, caller, batch_id)
    asked = {"after": 0, "limit": listing.USUAL_LIMIT, **listing.read(query, OF_RESULTS)}
    with services.database.transaction() as session:
        ended_through = lines.ended_through(session, batch)
        found = Writer(services, batch).page(session, after=asked["after"], most=asked["limit"] + 1)
        shown = found[: asked["limit"]]
        pictures.renew(session, [line.job_id for line, _ in shown])
    return ResultList(
        object="list",
        data=[told for _, told in shown],
        first_line=shown[0][0].number if shown else None,
        last_line=shown[-1][0].number if shown else None,
        has_more=len(found) > len(shown),
        ended_through=ended_through,
    ).to_json()


def _show(services: Services, session: Session, batch: Batch) -> BatchObject:
    seen = outlook.of_batch(session, batch, services.forecaster)
    if seen.seconds is not None and batch.expected_at is None:
        outlook.keep(session, batch, seen.seconds)
    return batch_response(batch, seen)


def _find(services: Services, caller: Caller, batch_id: str) -> Batch:
    if "\0" not in batch_id:  # no text to Postgres
        with services.database.single() as session:
            if batch := orders.own(session, caller.key_id, batch_id):
                return batch
    raise BatchMissing(batch_id)


def _line(name: str, text: str) -> int:
    return listing.integer(name, text, least=0, most=LAST_LINE)


PARAMETERS: listing.Parameters = {"after": ("after", listing.text), "limit": ("limit", listing.limit)}
OF_RESULTS: listing.Parameters = {"after": ("after", _line), "limit": ("limit", listing.limit)}
