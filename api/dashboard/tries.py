"""How often somebody may try to sign in: counted for all processes in Redis, and by each while that is away."""

from ipaddress import IPv6Address, IPv6Network, ip_address
from uuid import NAMESPACE_URL, uuid5

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from core.rates import Limit, Rates

# A minute: as one user from wherever, and from one address as whomever.
AS_USER = 5
FROM_ADDRESS = 20
# Whoever has one address of such a network has them all.
NETWORK_OF_ONE = 64


class Tries:
    """Unlike the rates of callers, which hold nobody back while Redis is away."""

    def __init__(self, rates: Rates) -> None:
        self._rates = rates
        self._own = MovingWindowRateLimiter(MemoryStorage())

    def take(self, name: str, address: str) -> bool:
        """Whether there was one left as this user and from this address."""
        left = [
            self._take(f"name {name.casefold()}", AS_USER),
            self._take(f"address {network_of(address)}", FROM_ADDRESS),
        ]
        return all(left)

    def _take(self, what: str, most: int) -> bool:
        named = uuid5(NAMESPACE_URL, f"sign-in {what}")
        shared = self._rates.take(named, {"tries": Limit(most, 1)})
        had_room = all(standing.had_room for standing in shared.values())
        return had_room and self._own.hit(RateLimitItemPerMinute(most), str(named))


def network_of(address: str) -> str:
    """What stands for whoever is at an address; of IPv6 the first half of it."""
    try:
        parsed = ip_address(address)
    except ValueError:  # a proxy may add a port to it, or a word of its own
        return address
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped or IPv6Network((parsed, NETWORK_OF_ONE), strict=False))
    return address
