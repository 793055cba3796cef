"""How an errand ended, and what of it goes on the ledger."""

from dataclasses import dataclass, field

from core import images
from core.images import Picture
from core.ledger import Claim
from core.statements import Step
from core.states import CallOutcome
from workers.errand import Errand
from workers.faults import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """How an errand ended: with a fault, or pictures that are in the store but not on the ledger yet."""

    errand: Errand
    stored: list[tuple[Picture, str]] = field(default_factory=list)
    fault: Fault | None = None

    def recording(self, claim: Claim) -> list[Step]:
        """Puts landed pictures on the ledger, if the claim holds; that they were delivered is true either way."""
        if not self.stored:
            return []
        steps = [images.recording(claim, picture, object_key) for picture, object_key in self.stored]
        steps += self.errand.closing(CallOutcome.DELIVERED)
        if self.errand.held:
            steps.append(images.letting_go(claim.job_id, self.errand.positions))
        return steps
