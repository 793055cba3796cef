"""POST /v1/images/generations?dry_run=true: what a request would be, cost, and be told; nothing is made of it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy.orm import Session

from api import limits
from api.errors import ERRORS
from api.job_schemas import Described, Dollars, JobRequest
from api.usage_schemas import BudgetState, budget_state
from api.validation import parse
from api.wording import not_a_member
from core import money, usage
from core.bootstrap import Services
from core.errors import DarkroomError, ModelForbidden
from core.generation import GenerationRequest
from core.keys import Caller

WORDS = {"true": True, "1": True, "false": False, "0": False}


class DryRun(Described):
    """What a request would be if it were sent without `dry_run`."""

    object: Literal["image.generation.dry_run"] = "image.generation.dry_run"
    request: JobRequest
    """With every default, and the model's own words."""
    model: str
    provider: str
    """Who would make the pictures, unless a stand-in has to."""
    upstream_model: str
    dropped_parameters: list[str]
    """What was asked for and would not be kept to."""
    unit_price_usd: Dollars
    price_usd: Dollars
    """The most that the request could come to: all its pictures."""
    allowed: bool
    """Whether the API key may, as things stand; rates per minute are not looked at."""
    refusal: str | None
    """The `code` of the error that would be the answer."""
    budget: BudgetState


def asked(query: Mapping[str, str]) -> bool:
    """Raises InvalidRequest."""
    text = query.get("dry_run", "false")
    if text not in WORDS:
        raise not_a_member("dry_run", text, tuple(WORDS))
    return WORDS[text]


def preview(services: Services, caller: Caller, body: dict[str, Any]) -> dict[str, Any]:
    """Raises InvalidRequest as the request itself would."""
    settings = services.settings
    checked = parse(body, services.catalog, settings.default_model, webhook_hosts=settings.webhook_hosts)
    request, model = checked.request, checked.model
    unit_price = model.price(request.size, request.quality)
    with services.database.single() as session:
        refusal = _refusal(session, caller, request, unit_price * request.n)
        balance = usage.balance(session, caller.key_id)
    return DryRun(
        request=JobRequest.model_validate(request.to_json()),
        model=model.id,
        provider=model.provider,
        upstream_model=model.upstream_model,
        dropped_parameters=list(checked.dropped),
        unit_price_usd=unit_price,
        price_usd=unit_price * request.n,
        allowed=refusal is None,
        refusal=ERRORS[type(refusal)].code if refusal else None,
        budget=budget_state(balance),
    ).model_dump(mode="json")


def _refusal(session: Session, caller: Caller, request: GenerationRequest, price: Decimal) -> DarkroomError | None:
    """Why the key may not. Raises InvalidRequest where the request is at fault."""
    try:
        limits.permit(caller, request)
    except ModelForbidden as error:
        return error
    return money.refusal(session, caller.key_id, price)
