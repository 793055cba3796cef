"""What a provider call can end in besides pictures: each kind says what to do next, not what the wire said.

ProviderError
├── Throttled      wait, as long as told; the attempt does not count
│   └── HeldBack   raised by the house alone, before a call: nothing was sent
├── Unavailable    try again; nothing was made
│   └── TaskFailed an accepted order came to nothing: asking again is in vain, a new order is not
├── Rejected       the caller's fault; told to the caller
├── Moderated      refused for its content; told to the caller, never tried again
├── Misconfigured  our fault (key, account, upstream model); never tried again, an operator must act
└── OutcomeUnknown the request was sent, the answer was lost or worthless; it may have been charged
"""

from core.errors import FailureKind


class ProviderError(Exception):
    """`str()` is for the log; `public` is what the caller may read."""

    kind: FailureKind
    public: str

    def __init__(self, detail: str) -> None:
        super().__init__(detail)


class Throttled(ProviderError):
    kind = FailureKind.THROTTLED
    public = "The provider's rate limit was reached and did not clear in time."

    def __init__(self, detail: str, *, retry_after: float | None = None) -> None:
        """`retry_after` is in seconds, None where the provider did not say."""
        super().__init__(detail)
        self.retry_after = retry_after


class HeldBack(Throttled):
    """We hold a call back of our own: the provider's rate is reached, or it wants to be left alone."""


class Unavailable(ProviderError):
    kind = FailureKind.UNAVAILABLE
    public = "The provider is not available at the moment."


class TaskFailed(Unavailable):
    """An accepted order that the provider gave up: nothing will come of it, and nothing is charged for it."""


class Rejected(ProviderError):
    kind = FailureKind.REJECTED

    def __init__(self, detail: str) -> None:
        """`detail` is the provider's word on the request, which the caller may read."""
        super().__init__(detail)
        self.public = detail


class Moderated(ProviderError):
    kind = FailureKind.MODERATED
    public = (
        "Your request was rejected as a result of our safety system. "
        "Your prompt may contain text that is not allowed by our safety system."
    )


class Misconfigured(ProviderError):
    kind = FailureKind.MISCONFIGURED
    public = "This model cannot be served at the moment: the service's account with the provider needs attention."


class OutcomeUnknown(ProviderError):
    kind = FailureKind.UNKNOWN
    public = "The provider was asked, but its answer was lost. The picture may have been made and charged."
