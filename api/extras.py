"""What only some models take: checked, and told apart into what is kept to and what is not."""

from typing import Any

from api.schemas import ImageGenerationBody
from api.wording import ENUMS, compressed_png, not_a_member, not_text
from core.catalog import Model
from core.offers import Extra

UNCOMPRESSED = 100
EXTRAS = tuple(Extra)
# Settled here: every picture is a PNG, and these say nothing that a provider has to know.
OURS = {Extra.OUTPUT_FORMAT, Extra.OUTPUT_COMPRESSION}


def is_text(text: str) -> bool:
    """Whether a database can keep it: Postgres takes no NUL, UTF-8 no lone surrogate."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def choose(fields: ImageGenerationBody, model: Model) -> dict[str, Any]:
    """What the provider is to be told. Raises InvalidRequest; null and an empty text count as absent."""
    given = {extra: value for extra in EXTRAS if (value := getattr(fields, extra)) not in (None, "")}
    for name, value in given.items():
        _check(name, value)
    return {str(name): given[name] for name in model.extras if name in given and name not in OURS}


def _check(name: Extra, value: Any) -> None:
    if name in ENUMS and value not in ENUMS[name]:
        raise not_a_member(name, value, ENUMS[name])
    if name is Extra.NEGATIVE_PROMPT and not is_text(value):
        raise not_text(name)
    if name is Extra.OUTPUT_COMPRESSION and value < UNCOMPRESSED:
        raise compressed_png()
