"""The tables of the ledger and the constraints by which the database itself defends them."""

from core.orm.base import Base, Closed, one_of, table_of
from core.orm.batches import Batch, File
from core.orm.callers import ApiKey, Budget, IdempotencyKey, Posting, WaitingCall
from core.orm.jobs import Forecast, HeldPicture, Image, Job, JobEvent, Provider, ProviderCall
from core.orm.webhooks import Delivery, DeliveryTry, Webhook

__all__ = [
    "ApiKey",
    "Base",
    "Batch",
    "Budget",
    "Closed",
    "Delivery",
    "DeliveryTry",
    "File",
    "Forecast",
    "HeldPicture",
    "IdempotencyKey",
    "Image",
    "Job",
    "JobEvent",
    "Posting",
    "Provider",
    "ProviderCall",
    "WaitingCall",
    "Webhook",
    "one_of",
    "table_of",
]
