"""An attempt at a job as it begins: its claim, where the job stands, and what is left to do for it."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from core import calls, images
from core.errors import FailureKind
from core.ledger import Claim
from workers import retries
from workers.errand import Errand
from workers.retries import Situation


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A claim, where its job stands, and what is left to do for it."""

    claim: Claim
    situation: Situation
    errands: list[Errand]

    @property
    def given_up(self) -> FailureKind | None:
        """Why no new call may be made, where one would be needed."""
        wants_a_call = any(errand.is_new for errand in self.errands)
        return retries.before_call(self.situation) if wants_a_call else None


def plan(session: Session, claim: Claim, *, pictures_per_call: int) -> tuple[list[Errand], int]:
    """What earlier attempts left to do, and new calls for all that is missing; how many calls are unknown."""
    errands, unknown = _left_over(session, claim)
    done = images.stored(session, claim.job_id)
    done |= {position for errand in errands for position in errand.positions}
    missing = [position for position in range(claim.request.n) if position not in done]
    for first in range(0, len(missing), pictures_per_call):
        errands.append(Errand(positions=missing[first : first + pictures_per_call]))
    return errands, unknown


def _left_over(session: Session, claim: Claim) -> tuple[list[Errand], int]:
    """Pictures that wait for the store, calls that the provider is at work on; and how many are unknown."""
    calls.give_up_sent_calls(session, claim.job_id)
    held = [Errand(positions=[picture.position], held=[picture]) for picture in images.held(session, claim.job_id)]
    accepted = [
        Errand(positions=call.positions, call_id=call.id, handle=call.handle)
        for call in calls.accepted(session, claim)
    ]
    return held + accepted, calls.unknown(session, claim.job_id)
