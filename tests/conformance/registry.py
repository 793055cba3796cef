"""Every client there is to try, and what is checked with it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from tests.conformance.environments import Environment, NodeEnvironment, PythonEnvironment
from tests.conformance.house import House
from tests.conformance.results import Result
from tests.conformance.suites import curl, own_tests, scripts

Suite = Callable[[House], Iterable[Result]]


@dataclass(frozen=True)
class Client:
    environment: Environment
    suites: Mapping[str, Suite]


def _openai(version: str, *, tested: bool) -> Client:
    """`tested`: its own tests can be run against a server."""
    environment = PythonEnvironment(f"openai-{version}", "openai")
    own = {
        "its own tests of images": partial(own_tests.images, environment),
        "its own tests of models": partial(own_tests.models, environment),
    }
    every = {"every model, errors, headers": partial(scripts.run, environment, "openai_sdk")}
    return Client(environment, {**(own if tested else {}), **every})


def _one_script(environment: PythonEnvironment | NodeEnvironment, script: str, checked: str) -> Client:
    return Client(environment, {checked: partial(scripts.run, environment, script)})


CLIENTS = {
    "openai-3": _openai("3.54.0", tested=True),
    "openai-2": _openai("2.54.0", tested=False),
    "openai-1": _openai("1.109.1", tested=True),
    "openai-node": _one_script(NodeEnvironment("openai"), "openai_sdk", "every model, errors, headers"),
    "vercel-ai": _one_script(NodeEnvironment("ai"), "vercel", "a picture of every model"),
    "litellm": _one_script(PythonEnvironment("litellm", "litellm"), "litellm_client", "a picture of every model"),
    "langchain": _one_script(
        PythonEnvironment("langchain", "langchain-community"), "langchain_client", "a picture of every model"
    ),
    "curl": Client(curl.Curl(), {"a picture of every model": curl.run}),
}
