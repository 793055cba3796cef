"""Which provider a name stands for, and how it is put together from the settings."""

from core.errors import SettingsError
from core.settings import Settings
from workers.providers.base import Provider
from workers.providers.http import Client, Limits
from workers.providers.openai import OpenAI


def build(name: str, settings: Settings, *, connections: int) -> Provider:
    """Raises SettingsError where there is no such provider, or no key for it."""
    if name != "openai":
        raise SettingsError(f"there is no provider {name!r}")
    if not settings.openai_api_key:
        raise SettingsError("OPENAI_API_KEY is required")
    if not (settings.openai_api_key.isascii() and settings.openai_api_key.isprintable()):
        # Caught here, since the error of a header that cannot be written shows the key.
        raise SettingsError("OPENAI_API_KEY holds what no header can carry, such as a line break")
    headers = {"Authorization": f"Bearer {settings.openai_api_key}"}
    return OpenAI(Client(settings.openai_base_url, headers, connections=connections, limits=Limits()))
