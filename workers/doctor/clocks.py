"""Whether this machine's clock goes as a server's does."""

from collections.abc import Iterator
from datetime import datetime

from workers.doctor.findings import Finding, broken, ok, warning

# The store tells whole seconds.
TOLERABLE = 2.0
# From fifteen minutes on, S3 refuses what is signed.
BAD = 60.0


def check(server: str, told: datetime, before: datetime, after: datetime) -> Iterator[Finding]:
    """`told` by the server at some moment between two of our own."""
    ahead = (told - (before + (after - before) / 2)).total_seconds()
    off = max(0.0, abs(ahead) - (after - before).total_seconds() / 2)
    subject, says = f"clock of {server}", f"{ahead:+.1f} s from this machine's"
    if off <= TOLERABLE:
        yield ok(subject, says)
    else:
        judge = broken if off > BAD else warning
        yield judge(subject, says, "have both set by NTP: chrony or systemd-timesyncd")
