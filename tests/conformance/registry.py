"""Every client there is to try, and what is checked with it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from tests.conformance.environments import Environment, NodeEnvironment, PythonEnvironment
from tests.conformance.house import House
from tests.conformance.results import Result
from tests.conformance.suites import curl, exactly_once, own_tests, scripts

Suite = Callable[[House], Iterable[Result]]

PICTURES = "a picture of every model"


@dataclass(frozen=True)
class Client:
    environment: Environment
    suites: Mapping[str, Suite]


def _own_tests(environment: PythonEnvironment) -> dict[str, Suite]:
    return {
        "its own tests of images": partial(own_tests.images, environment),
        "its own tests of models": partial(own_tests.models, environment),
    }


def _everything(environment: PythonEnvironment | NodeEnvironment) -> dict[str, Suite]:
    return {"every model, errors, headers": partial(scripts.run, environment, "openai_sdk")}


def _exactly_once(environment: PythonEnvironment | NodeEnvironment) -> dict[str, Suite]:
    return {"lost connections, paid for once": partial(exactly_once.run, environment)}


def _pictures(environment: PythonEnvironment | NodeEnvironment, script: str) -> Client:
    return Client(environment, {PICTURES: partial(scripts.run, environment, script)})


OPENAI_3 = PythonEnvironment("openai-3.54.0", "openai")
OPENAI_2 = PythonEnvironment("openai-2.54.0", "openai")
OPENAI_1 = PythonEnvironment("openai-1.109.1", "openai")
OPENAI_NODE = NodeEnvironment("openai")

CLIENTS = {
    # Lost connections with 3.54.0 are part of ./run test.
    "openai-3": Client(OPENAI_3, {**_own_tests(OPENAI_3), **_everything(OPENAI_3)}),
    "openai-2": Client(OPENAI_2, {**_everything(OPENAI_2), **_exactly_once(OPENAI_2)}),
    "openai-1": Client(OPENAI_1, {**_own_tests(OPENAI_1), **_everything(OPENAI_1), **_exactly_once(OPENAI_1)}),
    "openai-node": Client(OPENAI_NODE, {**_everything(OPENAI_NODE), **_exactly_once(OPENAI_NODE)}),
    "vercel-ai": _pictures(NodeEnvironment("ai"), "vercel"),
    "litellm": _pictures(PythonEnvironment("litellm", "litellm"), "litellm_client"),
    "langchain": _pictures(PythonEnvironment("langchain", "langchain-community"), "langchain_client"),
    "curl": Client(curl.Curl(), {PICTURES: curl.run}),
}
