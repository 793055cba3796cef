"""/ops/gallery: the newest pictures, blurred until somebody wants to see them."""

from collections.abc import Sequence
from uuid import UUID

from werkzeug.exceptions import BadRequest

from api.dashboard.addresses import Address
from api.dashboard.visits import Visit
from core import accounts, galleries
from core.accounts import Choices
from core.galleries import Shown, Wanted

PAGE = 60
NAMED = ("provider", "model", "key", "before")


def show(visit: Visit) -> str:
    query = {name: visit.query[name] for name in NAMED if visit.query.get(name)}
    found, keys = visit.glass.look(("gallery", tuple(query.items())), lambda: _read(visit, query))
    catalog = visit.services.catalog
    return visit.render(
        "gallery.html",
        title="Gallery",
        address=Address("/ops/gallery", query),
        pictures=found if visit.sees_prompts else [],
        full=len(found) >= PAGE,
        looked_at=galleries.LOOKED_AT,
        keys=keys,
        providers=sorted({model.provider for model in catalog.models}),
        models=[model.id for model in catalog.models],
    )


def _read(visit: Visit, query: dict[str, str]) -> tuple[Sequence[Shown], Choices]:
    wanted = Wanted(
        before=_id(query.get("before")),
        provider=query.get("provider"),
        model=query.get("model"),
        key_id=_id(query.get("key")),
    )
    with visit.reading() as session:
        return galleries.page(session, wanted, limit=PAGE), accounts.choices(session, wanted.key_id)


def _id(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError as error:
        raise BadRequest(f"{text!r} is not an id.") from error
