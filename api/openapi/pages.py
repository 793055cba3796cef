"""What every list of the document takes: where a page of it begins, and how long that is."""

from typing import Any

from api import listing
from api.openapi import refusals
from api.openapi.operations import parameter
from api.wording import unknown


def limit(*, most: int, usual: int) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": usual}
    return parameter("query", "limit", "How many a page has at most.", schema)


LIMIT = limit(most=listing.MOST_ON_A_PAGE, usual=listing.USUAL_LIMIT)
AFTER = parameter(
    "query", "after", "The page begins behind this one: `last_id` of the page before.", {"type": "string"}
)
WRONG_QUERY = [refusals.refused(unknown("colour"))]
