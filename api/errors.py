"""The only status codes of failure: how each error is told, and whether the same request may be sent again.

The official SDKs retry 408, 409, 429 and every 5xx twice unless `x-should-retry` says otherwise; so each answer
says it, and whatever would make or charge a second picture for nothing says `false`. All of them: docs/errors.md.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import (
    HTTPException,
    MethodNotAllowed,
    NotFound,
    RequestedRangeNotSatisfiable,
    RequestEntityTooLarge,
)

from core.errors import (
    BatchMissing,
    BatchUnfit,
    CapReached,
    DeliveryMissing,
    Failure,
    FailureKind,
    FileMissing,
    IdempotencyMismatch,
    IntakeInDoubt,
    JobIsSettled,
    JobMissing,
    KeyExpired,
    KeyMissing,
    KeyUnknown,
    ModelForbidden,
    ModelMissing,
    NotAdmin,
    PictureExpired,
    PictureMissing,
    PicturesExpired,
    PromptsForgotten,
    RateExceeded,
    StoreUnavailable,
    TooManyInFlight,
    TooManyWebhooks,
    WebhookMissing,
)

INVALID = "invalid_request_error"
SERVER = "server_error"
REQUESTS = "requests"
QUOTA = "insufficient_quota"

# SDKs disregard, or give up at, a longer wait.
LONGEST_WAIT = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """How one kind of error is told.

    `message` is a template over the `error`. A client may send the same again after `retry_after` seconds; where
    that is None it must not.
    """

    status: int
    type: str
    code: str | None = None
    message: str = ""
    param: str | None = None
    retry_after: float | None = None

    @property
    def retry(self) -> bool:
        return self.retry_after is not None


class JobFailed(Exception):
    """A waited-for job ended without pictures; without a `failure` it was cancelled."""

    def __init__(self, failure: Failure | None, job_id: UUID) -> None:
        super().__init__(failure)
        self.failure = failure
        self.job_id = job_id


class WaitTooLong(Exception):
    """The job outlives this call's wait and goes on. `retry`: the same call, sent again, finds it."""

    def __init__(self, job_id: UUID, *, retry: bool) -> None:
        super().__init__(job_id)
        self.job_id = job_id
        self.retry = retry


class Unsure(Exception):
    """Nobody knows whether the job was recorded; the same call, sent again, finds it or makes it."""


class Restarting(WaitTooLong):
    """The process is about to end, and with it the wait; the job goes on."""


NOTHING_STARTED = Answer(
    503, SERVER, "temporarily_unavailable", "The service is temporarily unavailable.", retry_after=1
)
IN_DOUBT = "The request may or may not have been accepted."
ERRORS: dict[type[Exception], Answer] = {
    KeyMissing: Answer(401, INVALID, None, "Missing bearer authentication in header"),
    KeyUnknown: Answer(401, INVALID, "invalid_api_key", "Incorrect API key provided: {masked}."),
    KeyExpired: Answer(401, INVALID, "expired_api_key", "This API key has expired."),
    NotAdmin: Answer(403, INVALID, "admin_key_required", "This takes an admin key."),
    ModelForbidden: Answer(
        403, INVALID, "model_not_allowed", "This API key may not use the model '{error.args[0]}'.", "model"
    ),
    CapReached: Answer(
        403, QUOTA, "spend_cap_reached", "The price of this request exceeds what is left of {cap}."
    ),
    PictureExpired: Answer(403, INVALID, "picture_expired", "This picture has expired."),  # as OpenAI's dead links
    PictureMissing: Answer(404, INVALID, "picture_not_found", "There is no such picture."),
    ModelMissing: Answer(404, INVALID, "model_not_found", "The model '{error.args[0]}' does not exist", "model"),
    JobMissing: Answer(404, INVALID, "job_not_found", "No job found with id '{error.args[0]}'."),
    FileMissing: Answer(404, INVALID, None, "No such File object: {error.args[0]}", "id"),  # OpenAI's own words
    BatchMissing: Answer(404, INVALID, "batch_not_found", "No batch found with id '{error.args[0]}'."),
    BatchUnfit: Answer(
        409, INVALID, "batch_status", "Cannot {error.args[0]} a batch with status '{error.args[1]}'."
    ),
    PromptsForgotten: Answer(
        409,
        INVALID,
        "prompts_forgotten",
        "The prompts of this batch are not kept any more: submit its lines anew.",
    ),
    WebhookMissing: Answer(404, INVALID, "webhook_not_found", "No webhook found with id '{error.args[0]}'."),
    DeliveryMissing: Answer(404, INVALID, "delivery_not_found", "No delivery found with id '{error.args[0]}'."),
    TooManyWebhooks: Answer(
        409,
        INVALID,
        "too_many_webhooks",
        "This API key has {error.args[0]} webhooks already, the most it may have.",
    ),
    JobIsSettled: Answer(409, INVALID, "job_settled", "Cannot cancel a job with status '{error.args[0]}'."),
    PicturesExpired: Answer(410, INVALID, "pictures_expired", "The pictures of this request have expired."),
    IdempotencyMismatch: Answer(
        422, INVALID, "idempotency_key_reused", "This Idempotency-Key was sent before, with another request."
    ),
    TooManyInFlight: Answer(
        429,
        REQUESTS,
        "too_many_in_flight",
        "Too many requests at once for this API key. Limit: {error.args[0]}.",
        retry_after=5,
    ),
    RateExceeded: Answer(
        429,
        REQUESTS,
        "rate_limit_exceeded",
        "Rate limit exceeded for {error.what} per minute. Limit: {error.limit}/1min. Please try again in {wait}.",
        retry_after=LONGEST_WAIT,  # the error knows better
    ),
    # It may be on the ledger, so that a retry could buy its pictures twice.
    IntakeInDoubt: Answer(503, SERVER, "outcome_unknown", IN_DOUBT),
    Unsure: Answer(503, SERVER, "outcome_unknown", IN_DOUBT, retry_after=1),
    **dict.fromkeys((StoreUnavailable, OperationalError, InterfaceError, PoolTimeout), NOTHING_STARTED),
}

# The message is the failure's own.
FAILURES = {
    FailureKind.REJECTED: Answer(400, INVALID, "invalid_value"),
    FailureKind.MODERATED: Answer(400, INVALID, "content_policy_violation"),
    FailureKind.THROTTLED: Answer(429, REQUESTS, "rate_limit_exceeded"),
    FailureKind.MISCONFIGURED: Answer(500, SERVER, "provider_misconfigured"),
    FailureKind.INTERNAL: Answer(500, SERVER, "internal_error"),
    FailureKind.LOST: Answer(500, SERVER, "worker_lost"),
    FailureKind.UNKNOWN: Answer(502, SERVER, "provider_outcome_unknown"),
    FailureKind.UNAVAILABLE: Answer(503, SERVER, "provider_unavailable"),
    FailureKind.STORE: Answer(503, SERVER, "store_unavailable"),
}
CANCELLED = Answer(409, INVALID, "job_cancelled", "The job was cancelled.")
STILL_RUNNING = Answer(
    504, SERVER, "still_running", "The picture is still being made; this call has waited as long as it may."
)
FOUND_AGAIN = Answer(504, SERVER, "still_running", STILL_RUNNING.message, retry_after=1)
# By then another process has started.
RESTARTING = Answer(
    503, SERVER, "restarting", "The picture is still being made, while the service restarts.", retry_after=5
)

PROTOCOL: dict[type[HTTPException], Answer] = {
    NotFound: Answer(404, INVALID, None, "Invalid URL ({method} {path})"),
    MethodNotAllowed: Answer(405, INVALID, None, "Not allowed to {method} on {path}."),
    RequestEntityTooLarge: Answer(413, INVALID, None, "The request body is too large."),
    RequestedRangeNotSatisfiable: Answer(416, INVALID, None, "The picture has no such range."),
}
BUG = Answer(500, SERVER, "server_error", "The server had an error while processing your request.")
