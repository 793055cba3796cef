"""GET /v1/usage: what the caller's own key has used, by day and model, and what it may still spend."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from api.extras import is_text
from api.usage_schemas import UsageList, budget_state, day_of_use
from api.wording import Code, not_text, unknown
from core import usage
from core.bootstrap import Services
from core.errors import InvalidRequest
from core.keys import Caller

USUAL_DAYS = 30
MOST_DAYS = 366
PARAMETERS = ("start", "end", "model")


def show(services: Services, caller: Caller, query: Mapping[str, str]) -> dict[str, Any]:
    """Raises InvalidRequest."""
    first, last, model = read(query)
    with services.database.single() as session:
        used = usage.by_day(session, caller.key_id, first, last, model=model)
        balance = usage.balance(session, caller.key_id)
    return UsageList(
        data=[day_of_use(use) for use in used],
        total_cost_usd=sum((use.cost for use in used), Decimal(0)),
        budget=budget_state(balance),
    ).model_dump(mode="json")


def read(query: Mapping[str, str]) -> tuple[date, date, str | None]:
    """First and last day, and the model if only one is asked for; an empty value counts as absent."""
    for name, text in query.items():
        if name not in PARAMETERS:
            raise unknown(name)
        if not is_text(text):
            raise not_text(name)
    last = _day("end", query) or datetime.now(UTC).date()
    first = _day("start", query) or last - timedelta(days=USUAL_DAYS - 1)
    if not 0 <= (last - first).days < MOST_DAYS:
        message = f"Invalid 'start': expected at most {MOST_DAYS} days, of which the last is {last}."
        raise InvalidRequest(message, code=Code.INVALID_VALUE, param="start")
    return first, last, query.get("model") or None


def _day(name: str, query: Mapping[str, str]) -> date | None:
    text = query.get(name)
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    # Clocks count from 1970; and Python reads other forms of a date, too.
    if day < usage.EPOCH or day.isoformat() != text:
        message = f"Invalid '{name}': expected a day such as 2026-01-31."
        raise InvalidRequest(message, code=Code.INVALID_VALUE, param=name)
    return day
