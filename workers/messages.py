"""An event as it is told: the message and the headers of Standard Webhooks (standardwebhooks.com)."""

import json
from datetime import UTC, datetime

from standardwebhooks import Webhook

from core.deliveries import Claim, message_id


def body(claim: Claim) -> str:
    """Only what it is about and how that ended; the same, byte for byte, at every try.

    Addresses of pictures expire sooner than tries end: whoever wants to know more looks at the job or the batch.
    """
    message = {"type": claim.event, "timestamp": _iso(claim.happened_at), "data": claim.subject}
    return json.dumps(message, separators=(",", ":"))


def headers(claim: Claim, body: str, *, at: datetime) -> dict[str, str]:
    """Those of one try: by `at`, its own moment in UTC, a receiver tells it from one that somebody sends again."""
    name = message_id(claim.delivery_id)
    signatures = [Webhook(secret).sign(name, at, body) for secret in claim.secrets]
    return {
        "content-type": "application/json",
        "user-agent": "Darkroom",
        "webhook-id": name,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
