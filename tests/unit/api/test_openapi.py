import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from api import deliveries, listing, usage, webhooks
from api.errors import BUG, CANCELLED, ERRORS, FAILURES, FOUND_AGAIN, PROTOCOL, RESTARTING, STILL_RUNNING
from api.openapi import document
from api.openapi.samples import NODE, PYTHON, SAMPLES
from api.schemas import ImageGenerationBody
from api.validation import parse
from api.wording import Code
from core.catalog import Catalog

ROOT = Path(__file__).resolve().parents[3]
ADDRESS = "https://pictures.example"
CATALOG = Catalog.load(None, {"openai", "stability", "bfl", "midjourney"})
DOCUMENT = document.build(CATALOG, ADDRESS)
OPERATIONS: dict[str, Any] = {
    operation["operationId"]: operation for methods in DOCUMENT["paths"].values() for operation in methods.values()
}
# Of addresses and methods that are none of the API's.
NOWHERE = {(405, None, False)}
ANSWERS = {
    *ERRORS.values(),
    *FAILURES.values(),
    *PROTOCOL.values(),
    *(BUG, CANCELLED, STILL_RUNNING, FOUND_AGAIN, RESTARTING),
}


def told() -> set[tuple[int, str | None, bool]]:
    """Status and code of every error in the document, and whether it is to be retried."""
    return {
        (int(status), example["value"]["error"]["code"], example["x-should-retry"])
        for operation in OPERATIONS.values()
        for status, response in operation["responses"].items()
        for example in response.get("content", {}).get("application/json", {}).get("examples", {}).values()
    }


def test_the_document_is_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1")
    assert [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


def test_every_error_of_the_tables_is_in_the_document_and_no_other() -> None:
    answered = {(answer.status, answer.code, answer.retry) for answer in ANSWERS}
    refused = {(400, code, False) for code in (*Code, None)}

    assert told() == (answered | refused) - NOWHERE


def test_an_error_is_told_with_words_that_a_caller_could_read() -> None:
    text = json.dumps([operation["responses"] for operation in OPERATIONS.values()])

    assert "{error" not in text
    assert '"message": ""' not in text


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_has_what_generators_of_clients_need(name: str) -> None:
    operation = OPERATIONS[name]

    assert re.fullmatch(r"[a-z]+([A-Z][a-z]+)+", name)
    assert operation["summary"]
    assert set(operation["tags"]) <= {tag["name"] for tag in DOCUMENT["tags"]}
    assert all(response["description"] for response in operation["responses"].values())


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("listImageJobs", {*listing.PARAMETERS, "metadata"}),
        ("retrieveUsage", {*usage.PARAMETERS}),
        ("listWebhooks", {*webhooks.PARAMETERS}),
        ("listDeliveries", {*deliveries.PARAMETERS}),
    ],
)
def test_a_query_is_told_with_all_that_the_code_reads(name: str, known: set[str]) -> None:
    assert {parameter["name"] for parameter in OPERATIONS[name]["parameters"]} == known


def test_every_field_of_a_request_is_described() -> None:
    described = DOCUMENT["components"]["schemas"]["ImageGenerationBody"]["properties"]

    assert set(described) == set(ImageGenerationBody.model_fields)
    assert all(field["description"] for field in described.values())


@pytest.mark.parametrize("model", CATALOG.models, ids=lambda model: model.id)
def test_the_example_of_each_model_is_a_request_that_works(model: Any) -> None:
    body = OPERATIONS["createImage"]["requestBody"]["content"]["application/json"]["examples"][model.id]["value"]

    checked = parse(body, CATALOG, None)

    assert (checked.model, checked.dropped) == (model, ())


def test_a_model_that_is_not_on_offer_is_not_told() -> None:
    text = json.dumps(document.build(Catalog.load(None, {"openai"}), ADDRESS))

    assert "dall-e-3" in text
    assert "midjourney" not in text


def test_the_document_knows_its_own_address_and_no_other() -> None:
    assert DOCUMENT["servers"] == [{"url": ADDRESS}]
    assert set(re.findall(r"https?://[\w.:-]+", json.dumps(DOCUMENT))) == {ADDRESS}


def test_every_process_writes_the_same_document() -> None:
    script = f"""
import json
from api.openapi import document
from api.openapi.samples import NODE, PYTHON, SAMPLES
from core.catalog import Catalog
print(json.dumps(document.build(Catalog.load(None, {{'openai', 'stability', 'bfl', 'midjourney'}}), '{ADDRESS}')))
"""
    written = [
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in "12"
    ]

    assert written[0] == written[1]
    assert json.loads(written[0]) == DOCUMENT


def test_the_page_in_docs_has_the_same_samples() -> None:
    blocks = re.findall(
        r"^```(\w+)\n(.*?)\n```$", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE | re.DOTALL
    )

    clients = [("python", PYTHON.strip()), ("js", NODE.strip())]
    calls = [
        call
        for sample in SAMPLES.values()
        for call in (("sh", sample.curl), ("python", sample.python), ("js", sample.node))
    ]
    assert sorted(blocks) == sorted([*clients, *calls])


def test_what_the_page_is_made_of_is_packed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packed = {
        file
        for pattern in project["tool"]["setuptools"]["package-data"]["api"]
        for file in (ROOT / "api").glob(pattern)
    }

    assert {file for folder in ("static", "templates") for file in (ROOT / "api" / folder).rglob("*")} == packed
