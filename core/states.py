"""The closed sets of the ledger, and the one table of moves a job can make."""

from enum import StrEnum


class JobState(StrEnum):
    QUEUED = "queued"
    DISPATCHED = "dispatched"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Event(StrEnum):
    """What happened to a job; one for each arrow, and one for its beginning."""

    RECORDED = "recorded"
    ADMITTED = "admitted"
    CLAIMED = "claimed"
    MESSAGE_LOST = "message_lost"
    RETRIED = "retried"
    RESCUED = "rescued"
    HANDED_OVER = "handed_over"
    REROUTED = "rerouted"
    LANE_CHANGED = "lane_changed"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class CallOutcome(StrEnum):
    """What became of one request that a provider may charge for."""

    SENT = "sent"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Door(StrEnum):
    """How a job came in."""

    SYNC = "sync"
    ASYNC = "async"
    BATCH = "batch"


class Lane(StrEnum):
    """How urgent a job is."""

    INTERACTIVE = "interactive"
    ASYNC = "async"
    BATCH = "batch"


class BatchStatus(StrEnum):
    """How far a batch is, in OpenAI's words."""

    VALIDATING = "validating"
    IN_PROGRESS = "in_progress"
    FINALIZING = "finalizing"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


class DeliveryState(StrEnum):
    """What became of an event that is to be told to a webhook."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class Entry(StrEnum):
    """Why money moved between the accounts of a key."""

    RESERVED = "reserved"
    SETTLED = "settled"
    RELEASED = "released"


class Account(StrEnum):
    """Where a key's money stands: free to be used, set aside for a job under way, or paid for pictures."""

    BUDGET = "budget"
    RESERVED = "reserved"
    SPENT = "spent"


class Role(StrEnum):
    """What a user of the dashboard may: look, act on jobs and providers, or everything."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


class OperationKind(StrEnum):
    """What can be done to many jobs at once."""

    CANCEL = "cancel"
    RETRY = "retry"
    REROUTE = "reroute"
    CHANGE_LANE = "change_lane"
    EXPORT = "export"


class OperationState(StrEnum):
    """How far an operation is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


class ProviderEventKind(StrEnum):
    """What befell a provider."""

    TAKEN_OUT = "taken_out"
    BACK = "back"
    THROTTLED = "throttled"


class Part(StrEnum):
    """What a process behind the front end is for."""

    WORKER = "worker"
    SCHEDULER = "scheduler"
    CLERK = "clerk"


class Grain(StrEnum):
    """The span of time that counts are added up over."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    EVER = "ever"


LIVE = (JobState.QUEUED, JobState.DISPATCHED, JobState.RUNNING)
SETTLED = (JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED)

# event -> (states it may happen in, state it leads to); docs/job-lifecycle.md draws exactly this.
MOVES: dict[Event, tuple[tuple[JobState, ...], JobState]] = {
    Event.ADMITTED: ((JobState.QUEUED,), JobState.DISPATCHED),
    Event.CLAIMED: ((JobState.DISPATCHED,), JobState.RUNNING),
    Event.MESSAGE_LOST: ((JobState.DISPATCHED,), JobState.QUEUED),
    Event.RETRIED: ((JobState.RUNNING,), JobState.QUEUED),
    Event.RESCUED: ((JobState.RUNNING,), JobState.QUEUED),
    Event.HANDED_OVER: ((JobState.RUNNING,), JobState.QUEUED),
    Event.REROUTED: ((JobState.QUEUED,), JobState.QUEUED),
    Event.LANE_CHANGED: ((JobState.QUEUED,), JobState.QUEUED),
    Event.COMPLETED: ((JobState.RUNNING,), JobState.COMPLETED),
    Event.FAILED: ((JobState.RUNNING,), JobState.FAILED),
    Event.CANCELLED: (LIVE, JobState.CANCELLED),
}
