"""Whether each provider takes our key: asked with requests that cost nothing.

OpenAI and its like list their models, Stability and Black Forest Labs tell our credits, and a midjourney-proxy is
asked for a task that it does not have.
"""

from collections.abc import Iterator
from http import HTTPStatus

from core.catalog import Catalog
from core.errors import SettingsError
from core.settings import Settings
from workers.doctor.findings import Finding, broken, ok, warning
from workers.providers import registry
from workers.providers.errors import ProviderError
from workers.providers.http import Answer, Limits

FREE = {"stability": "/v1/user/balance", "bfl": "/v1/credits", "midjourney": "/mj/task/0/fetch"}
MODELS = "/models"
LIMITS = Limits(connect=5.0, read=10.0, whole=15.0)
REFUSED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}


def check(settings: Settings, catalog: Catalog) -> Iterator[Finding]:
    if not catalog.providers:
        yield broken("providers", "none has a key", "set OPENAI_API_KEY, or another provider's key")
    for name in catalog.providers:
        try:
            answer = registry.client(name, settings, catalog, LIMITS).get(FREE.get(name, MODELS))
        except SettingsError as error:
            yield broken(name, str(error), "mend its settings")
        except ProviderError as error:
            yield broken(
                name, str(error), "see whether it is up, its address in the settings, and the way out to it"
            )
        else:
            yield _judged(name, answer)


def _judged(name: str, answer: Answer) -> Finding:
    if answer.status in REFUSED:
        return _refused(name, answer)
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return warning(name, "asks for patience; the key could not be checked", "try again in a minute")
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return broken(name, f"answers {answer.status}", "see its status page; its jobs wait meanwhile")
    if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
        return warning(
            name, f"answers {answer.status}; the key could not be checked", "see that its address is right"
        )
    credits_left = _credits(answer)
    if credits_left is not None and credits_left <= 0:
        return broken(name, "takes the key, but its credits are used up", "buy some, or pause it")
    return ok(
        name, "takes the key" if credits_left is None else f"takes the key; {credits_left:,.0f} credits left"
    )


def _refused(name: str, answer: Answer) -> Finding:
    """A key of OpenAI's may be good for pictures and for nothing else."""
    if name not in FREE and answer.status == HTTPStatus.FORBIDDEN:
        return warning(name, "lists no models to this key, which could not be checked", "try it with one picture")
    return broken(
        name, f"refuses the key ({answer.status})", "set a key that is in force, and restart its workers"
    )


def _credits(answer: Answer) -> float | None:
    try:
        told = answer.json()
    except ValueError:
        return None
    left = told.get("credits") if isinstance(told, dict) else None
    return float(left) if isinstance(left, int | float) else None
