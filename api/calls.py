"""What a call says of itself that tells whether it was sent before, or may be sent again.

docs/retries.md tells clients what to rely on; docs/decisions/0012 has the rules and their reasons.
"""

import json
import math
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

from werkzeug.datastructures import Headers

from api.wording import Code
from core.errors import InvalidRequest
from core.keys import Caller
from core.states import Door

LONGEST_NAME = 255
MOST_DIGITS = 4
# A client that gives up after so many seconds is answered earlier, by a tenth of them and at most this.
MARGIN_SECONDS = 5.0


# What equal calls have in common: their key and their fingerprint.
Sign = tuple[UUID, UUID]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """By `fingerprint` equal calls are equal.

    `name` is its Idempotency-Key, `retry_count` the SDK's own count, `patience` the client's time-out in seconds.
    """

    key_id: UUID
    fingerprint: UUID
    name: str | None
    retry_count: int | None
    patience: float | None
    reattaches: bool

    @property
    def sign(self) -> Sign:
        return self.key_id, self.fingerprint

    @property
    def comes_back(self) -> bool:
        """Whether this call, sent again, finds the job of this one."""
        return self.name is not None or (self.reattaches and self.retry_count is not None)

    def bound(self, seconds: float) -> float:
        """How long it may wait where `seconds` is the most: the client must not give up first."""
        if self.patience is None:
            return seconds
        return min(seconds, self.patience - min(self.patience / 10, MARGIN_SECONDS))


def read(headers: Headers, body: dict[str, Any], *, caller: Caller, door: Door) -> Call:
    """Raises InvalidRequest for an Idempotency-Key that is none."""
    name, count = headers.get("Idempotency-Key"), headers.get("x-stainless-retry-count", "")
    if name is not None and not _is_name(name):
        raise InvalidRequest(
            f"Invalid header 'Idempotency-Key': expected 1 to {LONGEST_NAME} visible ASCII characters.",
            code=Code.INVALID_VALUE,
        )
    return Call(
        key_id=caller.key_id,
        fingerprint=_fingerprint(body, name, door),
        name=name,
        retry_count=int(count) if _is_count(count) else None,
        patience=_seconds(headers.get("x-stainless-read-timeout", "")),
        reattaches=caller.reattaches,
    )


def _fingerprint(body: dict[str, Any], name: str | None, door: Door) -> UUID:
    """A digest of the body, whatever the order of its keys.

    A call with a name of its own is found by that name alone, and one that was told of its job at once is not what
    a caller who waits has lost: so name or door are part of the digest.
    """
    told_apart = {"name": name} if name else {"door": door}
    canonical = json.dumps([body, told_apart], sort_keys=True, separators=(",", ":"))
    return UUID(bytes=sha256(canonical.encode()).digest()[:16])


def _is_name(text: str) -> bool:
    return 0 < len(text) <= LONGEST_NAME and all("!" <= character <= "~" for character in text)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 0 < seconds < math.inf else None
