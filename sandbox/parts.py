"""The parts of Darkroom as the sandbox runs them, and the provider simulators in place of missing keys."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox import readiness
from sandbox.home import Home
from sandbox.service import Command, Service

# Nobody wants to wait for a sandbox to end: less than the grace of a Service.
ENDINGS = {"DARKROOM_DRAIN_SECONDS": "1", "DARKROOM_HANDOVER_SECONDS": "3"}
CHECKOUT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Upstream:
    """A provider's two settings, and what stands between the root of its host and its endpoints."""

    provider: str
    key: str
    base_url: str
    path: str = ""

    @property
    def simulator(self) -> str:
        return f"simulator-{self.provider}"


UPSTREAMS = (
    Upstream("openai", key="OPENAI_API_KEY", base_url="OPENAI_BASE_URL", path="/v1"),
    Upstream("stability", key="STABILITY_API_KEY", base_url="STABILITY_BASE_URL"),
    Upstream("bfl", key="BFL_API_KEY", base_url="BFL_BASE_URL"),
    Upstream("midjourney", key="MIDJOURNEY_API_SECRET", base_url="MIDJOURNEY_BASE_URL"),
)


def simulated(environment: Mapping[str, str]) -> list[Upstream]:
    """Those without a key: a key in the environment means the real provider."""
    return [upstream for upstream in UPSTREAMS if not environment.get(upstream.key)]


def simulator(home: Home, upstream: Upstream, environment: Mapping[str, str]) -> Service:
    port, key = home.port(upstream.simulator), home.secret(upstream.simulator)
    return Service(
        name=upstream.simulator,
        argv=_darkroom("simulators", upstream.provider, "--port", str(port), "--api-key", key),
        environment=environment,
        folder=CHECKOUT,
        ready=readiness.http_ok(port, "/"),
        address=simulator_address(home, upstream),
    )


def simulator_address(home: Home, upstream: Upstream) -> str:
    return f"http://127.0.0.1:{home.port(upstream.simulator)}"


def upstream_settings(home: Home, upstream: Upstream) -> dict[str, str]:
    address = simulator_address(home, upstream) + upstream.path
    return {upstream.key: home.secret(upstream.simulator), upstream.base_url: address}


def api(port: int, environment: Mapping[str, str]) -> Service:
    return Service(
        name="api",
        argv=_darkroom("api", "--host", "127.0.0.1", "--port", str(port)),
        environment={**environment, **ENDINGS},
        folder=CHECKOUT,
        ready=readiness.http_ok(port, "/health/ready"),
        address=f"http://127.0.0.1:{port}",
    )


def scheduler(environment: Mapping[str, str]) -> Service:
    return Service(
        name="scheduler",
        argv=_darkroom("scheduler"),
        environment=environment,
        folder=CHECKOUT,
        ready=readiness.logged("scheduler.ready"),
    )


def clerk(environment: Mapping[str, str]) -> Service:
    return Service(
        name="clerk",
        argv=_darkroom("clerk"),
        environment=environment,
        folder=CHECKOUT,
        ready=readiness.logged("clerk.ready"),
    )


def workers(environment: Mapping[str, str]) -> list[Service]:
    return [
        Service(
            name=f"worker-{upstream.provider}",
            argv=_darkroom("worker", "--provider", upstream.provider),
            environment={**environment, **ENDINGS},
            folder=CHECKOUT,
            ready=readiness.logged("worker.ready"),
        )
        for upstream in UPSTREAMS
    ]


def migrate(environment: Mapping[str, str]) -> Command:
    return Command(name="migrate", argv=_darkroom("migrate"), environment=environment, folder=CHECKOUT)


def make_key(environment: Mapping[str, str]) -> Command:
    return Command(
        name="keys", argv=_darkroom("keys", "create", "sandbox"), environment=environment, folder=CHECKOUT
    )


def make_user(environment: Mapping[str, str], name: str) -> Command:
    """Prints the password."""
    arguments = ("users", "create", name, "--role", "admin", "--make-password")
    return Command(name="users", argv=_darkroom(*arguments), environment=environment, folder=CHECKOUT)


def _darkroom(*arguments: str) -> list[str | Path]:
    return [sys.executable, "-m", "darkroom", *arguments]
