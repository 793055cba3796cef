"""The tables of the ledger and the constraints by which the database itself defends them."""

from core.orm.base import Base, Closed, one_of, table_of
from core.orm.batches import Batch, File
from core.orm.callers import ApiKey, Budget, IdempotencyKey, Posting, WaitingCall
from core.orm.fleet import Worker
from core.orm.history import CallCount, FailureCount, History, ProviderEvent, Watermark
from core.orm.jobs import Forecast, HeldPicture, Image, Job, JobEvent, Provider, ProviderCall
from core.orm.operators import AuditEntry, Operation, SignIn, User
from core.orm.webhooks import Delivery, DeliveryTry, Webhook

__all__ = [
    "ApiKey",
    "AuditEntry",
    "Base",
    "Batch",
    "Budget",
    "CallCount",
    "Closed",
    "Delivery",
    "DeliveryTry",
    "FailureCount",
    "File",
    "Forecast",
    "HeldPicture",
    "History",
    "IdempotencyKey",
    "Image",
    "Job",
    "JobEvent",
    "Operation",
    "Posting",
    "Provider",
    "ProviderCall",
    "ProviderEvent",
    "SignIn",
    "User",
    "WaitingCall",
    "Watermark",
    "Webhook",
    "Worker",
    "one_of",
    "table_of",
]
