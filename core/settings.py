"""Everything an operator may set, read once at start from a mapping such as os.environ."""

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from importlib.util import find_spec
from typing import Any, Literal

from core import hosts
from core.errors import SettingsError
from core.hosts import AllowedHost

HOUR_SECONDS = 3600
DAY_SECONDS = 24 * HOUR_SECONDS
MOST_DAYS = 36_500


def variable(name: str, *, secret: bool = False, parse: Callable[[str], Any] = str, **default: Any) -> Any:
    """A setting that comes from the environment variable `name`; required unless a `default` is given."""
    return field(metadata={"name": name, "parse": parse}, repr=not secret, **default)


def address(text: str) -> str:
    """An http(s) address without its trailing slash. Raises ValueError."""
    if not text.startswith(("http://", "https://")):
        raise ValueError(text)
    return text.rstrip("/")


def beginning(*beginnings: str) -> Callable[[str], str]:
    """The address of a server that one library alone understands; it raises ValueError."""

    def read_one(text: str) -> str:
        if not text.startswith(beginnings):
            raise ValueError(text)
        return text

    return read_one


def collector(text: str) -> str:
    """The address of an OpenTelemetry collector. Raises ValueError; SettingsError without what speaks to one."""
    try:
        speaks = find_spec("opentelemetry.exporter.otlp.proto.http")
    except ModuleNotFoundError:
        speaks = None
    if speaks is None:
        raise SettingsError("OTEL_EXPORTER_OTLP_ENDPOINT needs an extra: pip install 'darkroom[tracing]'")
    return address(text)


def duration(text: str) -> float:
    """Seconds, more than none. Raises ValueError."""
    seconds = float(text)
    if not 0 < seconds < math.inf:
        raise ValueError(text)
    return seconds


def hour_or_more(text: str) -> int:
    """Seconds, an hour or more. Raises ValueError."""
    seconds = int(text)
    if seconds < HOUR_SECONDS:
        raise ValueError(text)
    return seconds


def count(text: str) -> int:
    """A whole number, none or more. Raises ValueError."""
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def days(text: str) -> int:
    """Whole days, one or more. Raises ValueError."""
    number = int(text)
    if not 1 <= number <= MOST_DAYS:
        raise ValueError(text)
    return number


def yes_or_no(text: str) -> bool:
    """Raises ValueError."""
    if text not in {"yes", "no"}:
        raise ValueError(text)
    return text == "yes"


def split(text: str) -> Literal["crop", "upscale"]:
    """How a grid of pictures becomes single ones. Raises ValueError."""
    match text:
        case "crop" | "upscale":
            return text
        case _:
            raise ValueError(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One process's settings. Durations are seconds, where they do not say otherwise."""

    database_url: str = variable("DATABASE_URL", secret=True, parse=beginning("postgresql+psycopg://"))
    redis_url: str = variable("REDIS_URL", secret=True, parse=beginning("redis://", "rediss://"))

    s3_endpoint: str = variable("S3_ENDPOINT", parse=address)
    s3_access_key: str = variable("S3_ACCESS_KEY", secret=True)
    s3_secret_key: str = variable("S3_SECRET_KEY", secret=True)
    s3_bucket: str = variable("S3_BUCKET", default="darkroom")

    public_url: str = variable("DARKROOM_PUBLIC_URL", parse=address, default="http://127.0.0.1:8000")
    trusted_proxies: int = variable("DARKROOM_TRUSTED_PROXIES", parse=count, default=0)
    default_model: str | None = variable("DARKROOM_DEFAULT_MODEL", default=None)
    wait_seconds: float = variable("DARKROOM_WAIT_SECONDS", parse=duration, default=240.0)
    drain_seconds: float = variable("DARKROOM_DRAIN_SECONDS", parse=duration, default=3.0)
    handover_seconds: float = variable("DARKROOM_HANDOVER_SECONDS", parse=duration, default=190.0)
    catalog: str | None = variable("DARKROOM_CATALOG", default=None)
    most_output_seconds: int = variable("DARKROOM_MOST_OUTPUT_SECONDS", parse=hour_or_more, default=30 * 86_400)
    keep_jobs_days: int = variable("DARKROOM_KEEP_JOBS_DAYS", parse=days, default=90)
    keep_prompts_days: int = variable("DARKROOM_KEEP_PROMPTS_DAYS", parse=days, default=30)
    hide_prompts: bool = variable("DARKROOM_HIDE_PROMPTS", parse=yes_or_no, default=False)
    webhook_hosts: tuple[AllowedHost, ...] = variable("DARKROOM_WEBHOOK_HOSTS", parse=hosts.allowed, default=())

    otlp_endpoint: str | None = variable("OTEL_EXPORTER_OTLP_ENDPOINT", parse=collector, default=None)

    openai_api_key: str | None = variable("OPENAI_API_KEY", secret=True, default=None)
    openai_base_url: str = variable("OPENAI_BASE_URL", parse=address, default="https://api.openai.com/v1")

    stability_api_key: str | None = variable("STABILITY_API_KEY", secret=True, default=None)
    stability_base_url: str = variable("STABILITY_BASE_URL", parse=address, default="https://api.stability.ai")

    bfl_api_key: str | None = variable("BFL_API_KEY", secret=True, default=None)
    bfl_base_url: str = variable("BFL_BASE_URL", parse=address, default="https://api.bfl.ai")

    midjourney_api_secret: str | None = variable("MIDJOURNEY_API_SECRET", secret=True, default=None)
    midjourney_base_url: str | None = variable("MIDJOURNEY_BASE_URL", parse=address, default=None)
    midjourney_split: Literal["crop", "upscale"] = variable("MIDJOURNEY_SPLIT", parse=split, default="crop")

    # As it was at the start: the operator's catalog, which is read later, says which variables hold keys.
    environment: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def providers(self) -> frozenset[str]:
        """The providers that have a key, hence can be called."""
        keys = {
            "openai": self.openai_api_key,
            "stability": self.stability_api_key,
            "bfl": self.bfl_api_key,
            "midjourney": self.midjourney_api_secret and self.midjourney_base_url,
        }
        return frozenset(name for name, key in keys.items() if key)


def variables() -> list[Field[Any]]:
    """The settings that have an environment variable each."""
    return [setting for setting in fields(Settings) if "name" in setting.metadata]


def read(environment: Mapping[str, str]) -> Settings:
    """Read every setting; an empty variable counts as absent.

    Raises SettingsError that names all that is missing or unreadable at once.
    """
    values: dict[str, Any] = {"environment": dict(environment)}
    faults: list[str] = []
    for setting in variables():
        try:
            values |= _read_one(setting, environment)
        except KeyError as missing:
            faults.append(f"{missing.args[0]} is required")
        except ValueError:
            faults.append(f"{setting.metadata['name']} is not readable")
    if faults:
        raise SettingsError("; ".join(faults))
    settings = Settings(**values)
    _refuse_contradictions(settings)
    return settings


def _read_one(setting: Field[Any], environment: Mapping[str, str]) -> dict[str, Any]:
    name = setting.metadata["name"]
    text = environment.get(name, "")
    if text:
        return {setting.name: setting.metadata["parse"](text)}
    if setting.default is MISSING:
        raise KeyError(name)
    return {}


def _refuse_contradictions(settings: Settings) -> None:
    """What hangs on a job, its prompt and its pictures, cannot be kept for longer than the job.

    Nor results for longer than prompts.
    """
    hanging = {
        "DARKROOM_KEEP_PROMPTS_DAYS": settings.keep_prompts_days,
        "DARKROOM_MOST_OUTPUT_SECONDS": settings.most_output_seconds / DAY_SECONDS,
    }
    longer = [name for name, kept in hanging.items() if kept > settings.keep_jobs_days]
    if longer:
        raise SettingsError(f"DARKROOM_KEEP_JOBS_DAYS is shorter than {' and '.join(longer)}")
    if (
        settings.most_output_seconds > settings.keep_prompts_days * DAY_SECONDS
    ):  # results quote what providers revised
        raise SettingsError("DARKROOM_KEEP_PROMPTS_DAYS is shorter than DARKROOM_MOST_OUTPUT_SECONDS")
