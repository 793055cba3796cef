"""/ops/workers: which processes there are behind the front end, what each is at, and which take no new jobs."""

from collections.abc import Sequence

from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from api.dashboard.visits import Visit
from core import audit, fleet
from core.fleet import Member


def show(visit: Visit) -> str:
    members = visit.glass.look("workers", lambda: _every(visit))
    return visit.render("workers.html", title="Workers", members=members, state_of=state_of)


def state_of(member: Member) -> str:
    """The state that a process is shown in."""
    if member.ended or member.lost:
        return "stopped" if member.ended else "lost"
    if member.worker.stopping:
        return "stopping"
    return "quiet" if member.worker.quiet else "healthy"


def quieten(visit: Visit) -> ResponseReturnValue:
    return _steer(visit, quiet=True)


def rouse(visit: Visit) -> ResponseReturnValue:
    return _steer(visit, quiet=False)


def _steer(visit: Visit, *, quiet: bool) -> ResponseReturnValue:
    name = visit.form.get("name", "")
    with visit.services.database.transaction() as session:
        if not fleet.quieten(session, name, quiet=quiet):
            raise NotFound("There is no such worker.")
        action = "worker.quiet" if quiet else "worker.rouse"
        audit.record(session, actor=visit.user.name, action=action, subject=f"worker {name}", why=visit.why)
    said = "takes no new jobs from now on" if quiet else "takes new jobs again"
    return visit.done(f"{name} {said}.", go_to="/ops/workers")


def _every(visit: Visit) -> Sequence[Member]:
    with visit.reading() as session:
        return fleet.every(session)
