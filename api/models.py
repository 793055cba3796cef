"""GET /v1/models: the AI models that can really be asked for."""

from typing import Any

from api.schemas import ModelList, model_response
from core.catalog import Catalog
from core.errors import ModelMissing
from core.keys import Caller


def every(catalog: Catalog, caller: Caller) -> dict[str, Any]:
    """Those that the caller may use."""
    allowed = [model for model in catalog.models if caller.may_use(model.id)]
    return ModelList(object="list", data=[model_response(model) for model in allowed]).model_dump()


def one(catalog: Catalog, caller: Caller, model_id: str) -> dict[str, Any]:
    """Raises ModelMissing, also for one that the caller may not use: it is not on the caller's list either."""
    model = catalog.model(model_id)
    if model is None or not caller.may_use(model_id):
        raise ModelMissing(model_id)
    return model_response(model).model_dump()
