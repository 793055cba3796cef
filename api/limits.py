"""What a caller may: which models, and how many requests and pictures a minute."""

from math import ceil

from flask import g

from api.wording import above
from core.errors import ModelForbidden, RateExceeded
from core.generation import GenerationRequest
from core.keys import Caller
from core.rates import Limit, Rates, Standing


def check(rates: Rates, caller: Caller, request: GenerationRequest) -> None:
    """Count a request that is about to become a job; `headers` tells what that leaves.

    Not for one that finds its job on the ledger: that costs nothing. Raises as `permit`, and RateExceeded.
    """
    permit(caller, request)
    g.standings = standings = rates.take(caller.key_id, _limits(caller, request.n))
    refused = {what: standing for what, standing in standings.items() if not standing.had_room}
    if refused:
        what, standing = max(refused.items(), key=lambda item: item[1].reset_seconds)
        raise RateExceeded(what, limit=standing.most, seconds=standing.reset_seconds)


def permit(caller: Caller, request: GenerationRequest) -> None:
    """Raises what no wait would change: ModelForbidden, or InvalidRequest for more pictures than a minute's."""
    if not caller.may_use(request.model):
        raise ModelForbidden(request.model)
    most = caller.pictures_per_minute
    if most is not None and request.n > most:
        raise above("n", request.n, most)


def _limits(caller: Caller, n: int) -> dict[str, Limit]:
    """What limits a key, as the headers name it: to the outside, a picture is an image."""
    limits = {}
    if caller.requests_per_minute is not None:
        limits["requests"] = Limit(caller.requests_per_minute, 1)
    if caller.pictures_per_minute is not None:
        limits["images"] = Limit(caller.pictures_per_minute, n)
    return limits


def headers() -> dict[str, str]:
    """How this request's key stands with its rates; nothing where none was counted."""
    standings: dict[str, Standing] = g.get("standings", {})
    return {
        f"x-ratelimit-{field}-{what}": text
        for what, standing in standings.items()
        for field, text in (
            ("limit", str(standing.most)),
            ("remaining", str(standing.left)),
            ("reset", duration(standing.reset_seconds)),
        )
    }


def duration(seconds: float) -> str:
    """Whole seconds as OpenAI writes them, and no fewer: `1s`, `6m0s`."""
    minutes, rest = divmod(ceil(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
