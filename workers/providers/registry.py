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
    return _openai_compatible(_entry(name, catalog), settings, connections, limits)


def client(name: str, settings: Settings, catalog: Catalog, limits: Limits) -> Client:
    """Speaks to a provider with our key, for questions that cost nothing. Raises SettingsError as `build` does."""
    if name in CLIENTS:
        return CLIENTS[name](settings, 1, limits)
    return _client_of(_entry(name, catalog), settings, 1, limits)


def _entry(name: str, catalog: Catalog) -> ProviderEntry:
    entry = catalog.provider(name)
    if entry is None:
        raise SettingsError(f"there is no provider {name!r}, or no key for it")
    return entry


def _openai_client(settings: Settings, connections: int, limits: Limits) -> Client:
    headers = _bearer("OPENAI_API_KEY", settings.openai_api_key)
    return Client(settings.openai_base_url, headers, connections=connections, limits=limits)


def _openai(settings: Settings, connections: int, limits: Limits) -> Provider:
    return OpenAI(_openai_client(settings, connections, limits))


def _stability_client(settings: Settings, connections: int, limits: Limits) -> Client:
    headers = _bearer("STABILITY_API_KEY", settings.stability_api_key)
    return Client(settings.stability_base_url, headers, connections=connections, limits=limits)


def _stability(settings: Settings, connections: int, limits: Limits) -> Provider:
    return Stability(_stability_client(settings, connections, limits))


def _bfl_client(settings: Settings, connections: int, limits: Limits) -> Client:
    headers = {"x-key": _required("BFL_API_KEY", settings.bfl_api_key)}
    return Client(settings.bfl_base_url, headers, connections=connections, limits=limits)


def _bfl(settings: Settings, connections: int, limits: Limits) -> Provider:
    key = _required("BFL_API_KEY", settings.bfl_api_key)
    return BlackForestLabs(settings.bfl_base_url, key, connections=connections, limits=limits)


def _midjourney_client(settings: Settings, connections: int, limits: Limits) -> Client:
    base_url = _required("MIDJOURNEY_BASE_URL", settings.midjourney_base_url)
    headers = {"mj-api-secret": _required("MIDJOURNEY_API_SECRET", settings.midjourney_api_secret)}
    return Client(base_url, headers, connections=connections, limits=limits)


def _midjourney(settings: Settings, connections: int, limits: Limits) -> Provider:
    client = _midjourney_client(settings, connections, limits)
    base_url = settings.midjourney_base_url or ""  # the client has seen to it
    downloads = Downloads(base_url, hosts=IMAGE_HOSTS, limits=limits, connections=connections)
    return Midjourney(client, downloads, split=settings.midjourney_split)


def _client_of(entry: ProviderEntry, settings: Settings, connections: int, limits: Limits) -> Client:
    headers = {}
    if entry.key_variable:
        headers = _bearer(entry.key_variable, settings.environment.get(entry.key_variable))
    return Client((entry.base_url or "").rstrip("/"), headers, connections=connections, limits=limits)


def _openai_compatible(entry: ProviderEntry, settings: Settings, connections: int, limits: Limits) -> Provider:
    client = _client_of(entry, settings, connections, limits)
    return OpenAICompatible(client, dialect=entry.dialect, pictures_per_call=entry.pictures_per_call)


def _bearer(name: str, key: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {_required(name, key)}"}


def _required(name: str, key: str | None) -> str:
    if not key:
        raise SettingsError(f"{name} is required")
    if not (key.isascii() and key.isprintable()):
        # Caught here, since the error of a header that cannot be written shows the key.
        raise SettingsError(f"{name} holds what no header can carry, such as a line break")
    return key


BUILDERS: dict[str, Builder] = {"openai": _openai, "stability": _stability, "bfl": _bfl, "midjourney": _midjourney}
CLIENTS: dict[str, Callable[[Settings, int, Limits], Client]] = {
    "openai": _openai_client,
    "stability": _stability_client,
    "bfl": _bfl_client,
    "midjourney": _midjourney_client,
}
