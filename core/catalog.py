"""Which AI models can be asked for, and who makes their pictures: look-ups over the catalog's entries."""

from collections.abc import Collection, Mapping
from math import ceil
from types import MappingProxyType

from core import catalog_file
from core.offers import Model, ProviderEntry, Timeouts

__all__ = ["Catalog", "Model"]

NOTHING: Mapping[str, str] = MappingProxyType({})


class Catalog:
    """The models of the providers that can be called, in the order of the file."""

    def __init__(self, models: Collection[Model], entries: Collection[ProviderEntry]) -> None:
        self._models = {model.id: model for model in models}
        self._entries = {entry.name: entry for entry in entries}
        self.models = tuple(self._models.values())

    @classmethod
    def load(
        cls,
        path: str | None = None,
        providers: Collection[str] = (),
        environment: Mapping[str, str] = NOTHING,
    ) -> "Catalog":
        """Read the catalog, and the operator's own file at `path` over it.

        `providers` are the known ones that can be called. An operator's own can where they need no key, or find
        it in the `environment`. Raises SettingsError that names file, entry and field.
        """
        models, entries = catalog_file.read(path)
        own = {entry.name for entry in entries if entry.base_url and _has_key(entry, environment)}
        ready = {entry.name: entry for entry in entries if entry.name in own or entry.name in providers}
        return cls([model for model in models if model.provider in ready], ready.values())

    @property
    def providers(self) -> list[str]:
        """Those that have a model to make pictures with."""
        return sorted({model.provider for model in self.models})

    def model(self, model_id: str) -> Model | None:
        return self._models.get(model_id)

    def provider(self, name: str) -> ProviderEntry | None:
        """None where there is no such provider, or no key for it."""
        return self._entries.get(name)

    def calls(self, model: Model, n: int) -> int:
        """How many provider calls `n` pictures of a model take."""
        return ceil(n / self._entries[model.provider].pictures_per_call)

    def fallbacks(self, model: Model) -> tuple[Model, ...]:
        """The models that may stand in for it, the first choice first; only those that can be called."""
        return tuple(self._models[name] for name in model.fallbacks if name in self._models)

    def maker(self, model: Model, provider: str) -> Model:
        """Whose pictures a job for `model` got from `provider`: its own, or its stand-in's."""
        return next((each for each in (model, *self.fallbacks(model)) if each.provider == provider), model)

    def timeouts(self, provider: str) -> Timeouts:
        """What suits all models of a provider: its slowest one's, since they share their connections."""
        every = [model.timeouts for model in self.models if model.provider == provider] or [Timeouts()]
        return Timeouts(
            connect=max(each.connect for each in every),
            read=max(each.read for each in every),
            whole=max(each.whole for each in every),
        )


def _has_key(entry: ProviderEntry, environment: Mapping[str, str]) -> bool:
    return entry.key_variable is None or bool(environment.get(entry.key_variable))
