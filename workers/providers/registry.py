"""Which provider a name stands for, and how it is put together from the settings."""

from collections.abc import Callable
from dataclasses import asdict

from core.catalog import Catalog
from core.errors import SettingsError
from core.offers import ProviderEntry
from core.settings import Settings
from workers.providers.base import Provider
from workers.providers.bfl import BlackForestLabs
from workers.providers.downloads import Downloads
from workers.providers.http import Client, Limits
from workers.providers.midjourney import IMAGE_HOSTS, Midjourney
from workers.providers.openai import OpenAI
from workers.providers.openai_compatible import OpenAICompatible
from workers.providers.stability import Stability

Builder = Callable[[Settings, int, Limits], Provider]


def build(name: str, settings: Settings, *, connections: int) -> Provider:
    """Raises SettingsError where there is no such provider, or no key for it."""
    catalog = Catalog.load(settings.catalog, settings.providers, settings.environment)
    limits = Limits(**asdict(catalog.timeouts(name)))
    if name in BUILDERS:
        return BUILDERS[name](settings, connections, limits)
    entry = catalog.provider(name)
    if entry is None:
        raise SettingsError(f"there is no provider {name!r}, or no key for it")
    return _openai_compatible(entry, settings, connections, limits)


def _openai(settings: Settings, connections: int, limits: Limits) -> Provider:
    key = _required("OPENAI_API_KEY", settings.openai_api_key)
    headers = {"Authorization": f"Bearer {key}"}
    return OpenAI(Client(settings.openai_base_url, headers, connections=connections, limits=limits))


def _stability(settings: Settings, connections: int, limits: Limits) -> Provider:
    key = _required("STABILITY_API_KEY", settings.stability_api_key)
    headers = {"Authorization": f"Bearer {key}"}
    return Stability(Client(settings.stability_base_url, headers, connections=connections, limits=limits))


def _bfl(settings: Settings, connections: int, limits: Limits) -> Provider:
    key = _required("BFL_API_KEY", settings.bfl_api_key)
    return BlackForestLabs(settings.bfl_base_url, key, connections=connections, limits=limits)


def _midjourney(settings: Settings, connections: int, limits: Limits) -> Provider:
    base_url = _required("MIDJOURNEY_BASE_URL", settings.midjourney_base_url)
    headers = {"mj-api-secret": _required("MIDJOURNEY_API_SECRET", settings.midjourney_api_secret)}
    client = Client(base_url, headers, connections=connections, limits=limits)
    downloads = Downloads(base_url, hosts=IMAGE_HOSTS, limits=limits, connections=connections)
    return Midjourney(client, downloads, split=settings.midjourney_split)


def _openai_compatible(entry: ProviderEntry, settings: Settings, connections: int, limits: Limits) -> Provider:
    headers = {}
    if entry.key_variable:
        key = _required(entry.key_variable, settings.environment.get(entry.key_variable))
        headers["Authorization"] = f"Bearer {key}"
    client = Client((entry.base_url or "").rstrip("/"), headers, connections=connections, limits=limits)
    return OpenAICompatible(client, dialect=entry.dialect, pictures_per_call=entry.pictures_per_call)


def _required(name: str, key: str | None) -> str:
    if not key:
        raise SettingsError(f"{name} is required")
    if not (key.isascii() and key.isprintable()):
        # Caught here, since the error of a header that cannot be written shows the key.
        raise SettingsError(f"{name} holds what no header can carry, such as a line break")
    return key


BUILDERS: dict[str, Builder] = {"openai": _openai, "stability": _stability, "bfl": _bfl, "midjourney": _midjourney}
