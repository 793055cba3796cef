"""Connections lost as in the acceptance tests, by another client: its pictures are made, and paid for, once.

They have a Darkroom of their own beside the house: they kill its parts, and count what its provider has charged.
"""

import json
import os
import sys
from collections.abc import Iterator

from tests.conformance.environments import HERE, NodeEnvironment, PythonEnvironment
from tests.conformance.house import House
from tests.conformance.results import Result
from tests.conformance.suites import pytests
from tests.sandboxes import ROOT

_PYTHON_CLIENT = ROOT / "tests" / "acceptance" / "clients" / "python_client.py"


def run(environment: PythonEnvironment | NodeEnvironment, _: House) -> Iterator[Result]:
    match environment:
        case PythonEnvironment():
            client = [str(environment.python), str(_PYTHON_CLIENT)]
        case NodeEnvironment():
            client = environment.command("client")
    yield from pytests.run(
        f"{environment.name}-exactly-once",
        [sys.executable, HERE / "exactly_once.py"],
        folder=ROOT,
        environment={**os.environ, "CLIENT": json.dumps(client)},
    )
