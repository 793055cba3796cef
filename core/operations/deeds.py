"""What each kind of operation does to a portion of jobs; those that it does not suit are left as they are."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import ARRAY, Integer, Numeric, Text, Uuid, any_, cast, delete, func, select, update
from sqlalchemy.orm import Session

from core.catalog import Catalog
from core.database import Given, Step, fixed, run
from core.ledger import move
from core.operations import again
from core.operations.orders import Options
from core.orm import HeldPicture, Job, ProviderCall
from core.states import LIVE, SETTLED, CallOutcome, Event, JobState, OperationKind


@dataclass
class Done:
    """How many jobs it was done to, the reasons why not to others, and whom to tell.

    Those who wait for the jobs that it `settled`; the `providers` that may have something to start now.
    """

    done: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    settled: list[UUID] = field(default_factory=list)
    providers: set[str] = field(default_factory=set)


Deed = Callable[[Session, Catalog, Sequence[UUID], Options], Done]

_THESE = Job.id == any_(Given("job_ids", ARRAY(Uuid)))
# A worker may just be recording a picture: a statement that began before its commit would not count it.
_HALT = fixed(select(Job.id).where(_THESE, Job.state_in(*LIVE)).order_by(Job.id).with_for_update(key_share=True))
_CANCEL = fixed(move(Event.CANCELLED, _THESE, yields=("id", "provider")))
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
        provider=Given("to_provider", Text()),
        upstream_model=Given("to_upstream_model", Text()),
        slots=cast(
            func.ceil(cast(Job.request["n"].astext, Numeric) / Given("pictures_a_call", Integer())), Integer
        ),
        run_after=func.clock_timestamp(),
    )
)


def _cancel(session: Session, _: Catalog, job_ids: Sequence[UUID], __: Options) -> Done:
    given = {"job_ids": list(job_ids)}
    run(session, Step(_HALT, given))
    rows = run(session, Step(_CANCEL, given))
    settled = [row.id for row in rows]
    run(session, Step(_LET_GO, {"job_ids": settled}))
    return Done(done=len(rows), settled=settled, providers={row.provider for row in rows})


def _change_lane(session: Session, _: Catalog, job_ids: Sequence[UUID], options: Options) -> Done:
    moved = session.scalars(
        update(Job)
        .where(Job.id.in_(job_ids), Job.state_in(JobState.QUEUED), Job.lane != options.lane)
        .values(lane=options.lane)
        .returning(Job.provider)
        .execution_options(synchronize_session=False)
    ).all()
    return Done(done=len(moved), providers=set(moved))


def _retry(session: Session, catalog: Catalog, job_ids: Sequence[UUID], _: Options) -> Done:
    unhappy = _jobs(session, job_ids, JobState.FAILED, JobState.CANCELLED)
    jobs = [job for job in unhappy if not again.was_retried(session, job.id)]
    return _made_again(session, catalog, [(job, job.model) for job in jobs])


def _reroute(session: Session, catalog: Catalog, job_ids: Sequence[UUID], options: Options) -> Done:
    """One that waits moves, at its old price; a settled one is made again."""
    model = catalog.model(options.model or "")
    if model is None:
        return Done(reasons=Counter({again.NO_MODEL: len(job_ids)}))
    entry = catalog.provider(model.provider)
    assert entry  # it makes one of the catalog's models
    given = {
        "job_ids": list(job_ids),
        "to_provider": model.provider,
        "to_upstream_model": model.upstream_model,
        "pictures_a_call": entry.pictures_per_call,
    }
    moved = run(session, Step(_REROUTE, given))
    done = _made_again(session, catalog, [(job, model.id) for job in _jobs(session, job_ids, *SETTLED)])
    done.done += len(moved)
    done.providers.add(model.provider)
    return done


def _jobs(session: Session, job_ids: Sequence[UUID], *states: JobState) -> Sequence[Job]:
    return session.scalars(select(Job).where(Job.id.in_(job_ids), Job.state_in(*states)).order_by(Job.id)).all()


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
