"""Why an errand came to nothing, what the caller may read of it, and which of several faults decides."""

from collections.abc import Collection
from dataclasses import dataclass

from core.errors import Failure, FailureKind
from workers.providers.errors import HeldBack, OutcomeUnknown, ProviderError, Throttled, Unavailable

PUBLIC = {
    FailureKind.UNKNOWN: OutcomeUnknown.public,
    FailureKind.UNAVAILABLE: Unavailable.public,
    FailureKind.LOST: "The workers that made this picture were lost, several times over.",
    FailureKind.STORE: "The picture was made, but could not be stored.",
    FailureKind.INTERNAL: "The service made an error while making the picture.",
}
# Of several faults, the one that no other attempt can mend decides.
GRAVEST_FIRST = (
    FailureKind.LOST,
    FailureKind.MODERATED,
    FailureKind.REJECTED,
    FailureKind.MISCONFIGURED,
    FailureKind.UNKNOWN,
    FailureKind.STORE,
    FailureKind.UNAVAILABLE,
    FailureKind.THROTTLED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A failure, and the seconds that the provider asked to be left alone for, or that we hold back of our own."""

    failure: Failure
    retry_after: float | None = None
    held_back: bool = False


def fault_from(error: ProviderError) -> Fault:
    """What the call itself ended with."""
    return Fault(
        failure=Failure(error.kind, error.public),
        retry_after=error.retry_after if isinstance(error, Throttled) else None,
        held_back=isinstance(error, HeldBack),
    )


def fault_of(kind: FailureKind) -> Fault:
    """A fault of our own finding, in our own words."""
    return Fault(failure=Failure(kind, PUBLIC[kind]))


def gravest(faults: Collection[Fault]) -> Fault:
    return min(faults, key=lambda fault: GRAVEST_FIRST.index(fault.failure.kind))
