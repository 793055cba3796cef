"""Which stretch of the past a page looks at: `window` in its address."""

from datetime import timedelta

from werkzeug.exceptions import BadRequest

from api.dashboard.visits import Visit

WINDOWS = {
    "1h": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}


def of(visit: Visit, *, usual: str) -> str:
    """One of WINDOWS. Raises BadRequest."""
    window = visit.query.get("window", usual)
    if window not in WINDOWS:
        raise BadRequest(f"A window is one of {', '.join(WINDOWS)}.")
    return window
