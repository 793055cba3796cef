"""What can go wrong in this service's own terms; a status code is decided in api/errors.py alone."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self


class DarkroomError(Exception):
    """Base of every error that somebody outside can do something about."""


class SettingsError(DarkroomError):
    """The environment lacks or garbles what a process needs to start."""


class InvalidRequest(DarkroomError):
    """A caller's request that will never be accepted as it stands.

    `code` and `param` are OpenAI's words for the fault, `type` the family it belongs to.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        type: str = "invalid_request_error",  # noqa: A002 - the wire's own word
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param
        self.type = type


class KeyMissing(DarkroomError):
    """The request carries no API key."""


class KeyUnknown(DarkroomError):
    """The request carries a key that was never made, or was revoked."""

    def __init__(self, key: str) -> None:
        super().__init__("unknown API key")
        self.key = key


class KeyExpired(DarkroomError):
    """The request carries a key whose time is over."""


class NotAdmin(DarkroomError):
    """The key may not read the figures of the whole house."""


class ModelForbidden(DarkroomError):
    """The key may not use this model. `args` holds its name."""


class CapReached(DarkroomError):
    """The request's price does not fit the key's budget. `cap` is which of its caps, as the ledger's column."""

    def __init__(self, cap: str) -> None:
        super().__init__(cap)
        self.cap = cap


class TooManyInFlight(DarkroomError):
    """The key has as many unsettled jobs as it may. `args` holds how many those are."""


class RateExceeded(DarkroomError):
    """The key asks faster than it may: for `what`, `limit` a minute; `seconds` until there is room again."""

    def __init__(self, what: str, *, limit: int, seconds: float) -> None:
        super().__init__(what)
        self.what = what
        self.limit = limit
        self.seconds = seconds


class IdempotencyMismatch(DarkroomError):
    """The idempotency key stands for another request."""


class JobMissing(DarkroomError):
    """The caller has no such job. `args` holds the id that was asked for."""


class JobIsSettled(DarkroomError):
    """The job has ended: there is nothing to cancel. `args` holds its state."""


class WebhookMissing(DarkroomError):
    """The caller has no such webhook. `args` holds the id that was asked for."""


class DeliveryMissing(DarkroomError):
    """The caller has no such delivery. `args` holds the id that was asked for."""


class TooManyWebhooks(DarkroomError):
    """The key has as many webhooks as it may. `args` holds how many those are."""


class FileMissing(DarkroomError):
    """The caller has no such file. `args` holds the id that was asked for."""


class BatchMissing(DarkroomError):
    """The caller has no such batch. `args` holds the id that was asked for."""


class BatchUnfit(DarkroomError):
    """The batch is too far, or not far enough, for what is asked. `args` holds that, as a verb, and its status."""


class PromptsForgotten(DarkroomError):
    """What is to be made again was asked for so long ago that its prompts are not kept any more."""


class IntakeInDoubt(DarkroomError):
    """The ledger went away while a request was being recorded; it may or may not be there."""


class ModelMissing(DarkroomError):
    """No such model is on offer. `args` holds its name."""


class PictureMissing(DarkroomError):
    """No picture of that name was ever made."""


class PictureExpired(DarkroomError):
    """The picture's hour is over."""


class PicturesExpired(DarkroomError):
    """What is to be answered once more would hold pictures whose hour is over."""


class StoreUnavailable(DarkroomError):
    """The object store did not take or give a picture."""


class ObjectLost(StoreUnavailable):
    """The object store does not have what it was given."""


class FailureKind(StrEnum):
    """Why a job failed: what the caller is told, and whether another attempt makes sense, follow from it."""

    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    REJECTED = "rejected"
    MODERATED = "moderated"
    MISCONFIGURED = "misconfigured"
    UNKNOWN = "unknown"
    STORE = "store"
    LOST = "lost"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt or a whole job failed.

    `message` may be read by the caller: no secrets, and of what a provider said only its word on the prompt.
    """

    kind: FailureKind
    message: str

    def to_json(self) -> dict[str, str]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        return cls(kind=FailureKind(stored["kind"]), message=stored["message"])
