"""GET /v1/models: the AI models that can really be asked for."""

from typing import Any

from api.schemas import model_response
from core.catalog import Catalog
from core.errors import ModelMissing


def every(catalog: Catalog) -> dict[str, Any]:
    return {"object": "list", "data": [model_response(model) for model in catalog.models]}


def one(catalog: Catalog, model_id: str) -> dict[str, Any]:
    """Raises ModelMissing."""
    model = catalog.model(model_id)
    if model is None:
        raise ModelMissing(model_id)
    return model_response(model)
