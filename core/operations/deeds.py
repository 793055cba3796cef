"""What each kind of operation does to a portion of jobs; those that it does not suit are left as they are."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import ARRAY, ColumnElement, Integer, Numeric, Text, Uuid, any_, cast, delete, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from core.catalog import Catalog
from core.database import run
from core.ledger import move
from core.operations import again
from core.operations.orders import Options
from core.orm import HeldPicture, Job, Operation, ProviderCall
from core.statements import Given, Step, fixed
from core.states import LIVE, SETTLED, CallOutcome, Event, JobState, Lane, OperationKind


@dataclass
class Done:
    """How many jobs it was done to, the reasons why not to others, and whom to tell.

    Those who wait for the jobs that it `settled`; the `providers` that may have something to start now.
    """

    done: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    settled: list[UUID] = field(default_factory=list)
    providers: set[str] = field(default_factory=set)


Deed = Callable[[Session, Catalog, Operation, Sequence[UUID]], Done]

# Why a job is left out where nothing more telling is known.
UNSUITED: Mapping[OperationKind, str] = {
    OperationKind.CANCEL: "it had ended already",
    OperationKind.RETRY: "it had not failed yet, or was made again before",
    OperationKind.REROUTE: "it was being made, or waited there already",
    OperationKind.CHANGE_LANE: "it waited no more, or in that lane already",
}

_THESE = Job.id == any_(Given("job_ids", ARRAY(Uuid)))
_DETAIL = Given("detail", JSONB())
# A worker may just be recording a picture: a statement that began before its commit would not count it.
_HALT = fixed(select(Job.id).where(_THESE, Job.state_in(*LIVE)).order_by(Job.id).with_for_update(key_share=True))
# Of two operations at the same jobs, the second one sees what the first has made of them.
_HOLD = fixed(select(Job.id).where(_THESE).order_by(Job.id).with_for_update(key_share=True))
_CANCEL = fixed(move(Event.CANCELLED, _THESE, detail=_DETAIL, yields=("id", "provider")))
_LET_GO = fixed(delete(HeldPicture).where(HeldPicture.job_id == any_(Given("job_ids", ARRAY(Uuid)))))
# What its provider is at work on is paid for, or will be.
_IN_THE_WORKS = (
    select(ProviderCall.id)
    .where(ProviderCall.job_id == Job.id, ProviderCall.outcome == CallOutcome.ACCEPTED)
    .exists()
)
_REROUTE = fixed(
    move(
        Event.REROUTED,
        _THESE,
        Job.provider != Given("to_provider", Text()),
        ~_IN_THE_WORKS,
        detail=_DETAIL,
        provider=Given("to_provider", Text()),
        upstream_model=Given("to_upstream_model", Text()),
        slots=cast(
            func.ceil(cast(Job.request["n"].astext, Numeric) / Given("pictures_a_call", Integer())), Integer
        ),
        run_after=func.clock_timestamp(),
    )
)
_CHANGE_LANE = fixed(
    move(
        Event.LANE_CHANGED,
        _THESE,
        Job.lane == Given("from_lane", Text()),
        detail=_DETAIL,
        yields=("provider",),
        lane=Given("to_lane", Text()),
    )
)


def _cancel(session: Session, _: Catalog, operation: Operation, job_ids: Sequence[UUID]) -> Done:
    given = {"job_ids": list(job_ids), "detail": _told(operation)}
    run(session, Step(_HALT, given))
    rows = run(session, Step(_CANCEL, given))
    settled = [row.id for row in rows]
    run(session, Step(_LET_GO, {"job_ids": settled}))
    return Done(done=len(rows), settled=settled, providers={row.provider for row in rows})


def _change_lane(session: Session, _: Catalog, operation: Operation, job_ids: Sequence[UUID]) -> Done:
    to, done = Options.from_json(operation.options).lane, Done()
    for lane in (lane for lane in Lane if lane is not to):
        told = _told(operation, **{"from": lane, "to": to})
        given = {"job_ids": list(job_ids), "detail": told, "from_lane": lane, "to_lane": to}
        moved = run(session, Step(_CHANGE_LANE, given))
        done.done += len(moved)
        done.providers |= {row.provider for row in moved}
    return done


def _retry(session: Session, catalog: Catalog, operation: Operation, job_ids: Sequence[UUID]) -> Done:
    states = Job.state_in(JobState.FAILED, JobState.CANCELLED)
    jobs = _ended(session, operation, job_ids, states, ~again.was_retried(Job.id))
    return _made_again(session, catalog, [(job, job.model) for job in jobs])


def _reroute(session: Session, catalog: Catalog, operation: Operation, job_ids: Sequence[UUID]) -> Done:
    """One that waits moves, at its old price; a settled one is made again."""
    model = catalog.model(Options.from_json(operation.options).model or "")
    if model is None:
        return Done(reasons=Counter({again.NO_MODEL: len(job_ids)}))
    entry = catalog.provider(model.provider)
    assert entry  # it makes one of the catalog's models
    given = {
        "job_ids": list(job_ids),
        "detail": _told(operation, to=model.provider),
        "to_provider": model.provider,
        "to_upstream_model": model.upstream_model,
        "pictures_a_call": entry.pictures_per_call,
    }
    moved = run(session, Step(_REROUTE, given))
    jobs = _ended(session, operation, job_ids, Job.state_in(*SETTLED))
    done = _made_again(session, catalog, [(job, model.id) for job in jobs])
    done.done += len(moved)
    done.providers.add(model.provider)
    return done


def _told(operation: Operation, **facts: str | None) -> Jsonb:
    """What an event says of its operation."""
    return Jsonb({"by": operation.actor, **facts, "operation": str(operation.id)})


def _ended(
    session: Session, operation: Operation, job_ids: Sequence[UUID], *conditions: ColumnElement[bool]
) -> Sequence[Job]:
    """Jobs that had ended when it was ordered: what ends later was not meant, and its price not foreseen."""
    run(session, Step(_HOLD, {"job_ids": list(job_ids)}))
    foreseen = Job.settled_at <= operation.created_at
    return session.scalars(select(Job).where(Job.id.in_(job_ids), foreseen, *conditions).order_by(Job.id)).all()


def _made_again(session: Session, catalog: Catalog, wanted: Sequence[tuple[Job, str]]) -> Done:
    done = Done()
    for job, model_id in wanted:
        model = catalog.model(model_id)
        if reason := again.record(session, catalog, job, model):
            done.reasons[reason] += 1
        elif model:
            done.done += 1
            done.providers.add(model.provider)
    return done


DEEDS: Mapping[OperationKind, Deed] = {
    OperationKind.CANCEL: _cancel,
    OperationKind.RETRY: _retry,
    OperationKind.REROUTE: _reroute,
    OperationKind.CHANGE_LANE: _change_lane,
}
