"""Bodies of requests, as the contract takes or refuses them."""

from typing import Any

import pytest

from api.validation import parse
from core.catalog import Catalog
from core.errors import InvalidRequest
from core.generation import GenerationRequest

CATALOG = Catalog.load(None, {"openai"})
DALL_E_2, DALL_E_3 = "dall-e-2", "dall-e-3"
LONE = "\ud800"


def accept(**body: Any) -> GenerationRequest:
    checked = parse({"model": DALL_E_2, "prompt": "a fox", **body}, CATALOG, None)
    assert checked.request.model == checked.model.id
    return checked.request


def refuse(**body: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as refused:
        accept(**body)
    return refused.value
