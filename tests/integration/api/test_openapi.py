import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.wrappers import Request

from tests.errors_page import Kind
from tests.integration.api.house import House
from tests.integration.api.test_contract import GPT, INVALID, PROVOKED, SERVER

PAGES = ["/openapi.json", "/docs", "/docs/docs.css"]
# What a browser asks before it asks, and what Flask answers of itself.
IMPLIED = {"HEAD", "OPTIONS"}
# Provoked where there is no operation.
ELSEWHERE = {
    Kind(404, INVALID, None, retry=False),
    Kind(405, INVALID, None, retry=False),
    Kind(500, SERVER, "server_error", retry=False),
    Kind(503, SERVER, "outcome_unknown", retry=True),
    Kind(503, SERVER, "outcome_unknown", retry=False),
    Kind(503, SERVER, "restarting", retry=True),
}


class Page(HTMLParser):
    """What a page is made of, and where it leads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.add(tag)
        self.attributes |= set(given)
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given[name] for name in ("href", "src") if name in given]


@pytest.fixture
def document(client: FlaskClient) -> dict[str, Any]:
    read: dict[str, Any] = client.get("/openapi.json").get_json()
    return read


@pytest.fixture
def page(client: FlaskClient) -> Page:
    return Page(client.get("/docs").text)


@pytest.fixture
def house(house: House, tmp_path: Path) -> House:
    own = tmp_path / "own.toml"
    own.write_text(f"models.{GPT}.enabled = true")
    return house.changed(catalog=str(own))


def in_braces(rule: str) -> str:
    """Flask's rule as OpenAPI writes a path, whatever its parameters are called."""
    return re.sub(r"[<{][^>}]*[>}]", "{}", rule)


def test_every_route_but_pages_is_in_the_document_and_no_other(app: Flask, document: dict[str, Any]) -> None:
    told = {
        (in_braces(path), method.upper())
        for path, methods in document["paths"].items()
        for method in methods
        if method.upper() not in IMPLIED
    }

    assert told == {
        (in_braces(rule.rule), method)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - IMPLIED
        if not rule.endpoint.startswith("ops.")
    }


@pytest.mark.parametrize(
    "kind", sorted(PROVOKED.keys() - ELSEWHERE, key=str), ids=lambda kind: f"{kind.status}-{kind.code}"
)
def test_an_error_is_told_of_the_operation_that_answers_it(kind: Kind, house: House) -> None:
    document = house.call("/openapi.json").get_json()

    request = PROVOKED[kind](house).request

    operation = document["paths"][path_of(house.app, request)][request.method.lower()]
    told = operation["responses"][str(kind.status)]["content"]["application/json"]["examples"].values()
    assert kind.code in {example["value"]["error"]["code"] for example in told}


def path_of(app: Flask, request: Request) -> str:
    """Of a request that was sent, as the document has it."""
    with app.test_request_context(request.path, method=request.method) as context:
        assert context.request.url_rule
        return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", context.request.url_rule.rule)


@pytest.mark.parametrize("url", PAGES)
def test_the_reference_is_open_to_everybody_and_kept_until_it_changes(client: FlaskClient, url: str) -> None:
    response = client.get(url)

    again = client.get(url, headers={"If-None-Match": response.headers["ETag"]})

    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-cache")
    assert (again.status_code, again.data) == (304, b"")


def test_the_page_runs_and_loads_nothing_but_its_own_style(client: FlaskClient, page: Page) -> None:
    policy = client.get("/docs").headers["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not {"script", "style", "iframe", "img"} & page.tags
    assert not {name for name in page.attributes if name == "style" or name.startswith("on")}
    assert {link for link in page.links if not link.startswith("#")} == {
        "data:,",
        "/docs/docs.css",
        "/openapi.json",
    }


def test_every_operation_and_object_has_its_place_on_the_page(document: dict[str, Any], page: Page) -> None:
    operations = [
        operation["operationId"] for methods in document["paths"].values() for operation in methods.values()
    ]

    assert {*operations, *document["components"]["schemas"]} <= {*page.ids}
    assert len(set(page.ids)) == len(page.ids)
    assert {link[1:] for link in page.links if link.startswith("#")} <= {*page.ids}


def test_every_error_and_header_is_on_the_page(client: FlaskClient, document: dict[str, Any]) -> None:
    text = client.get("/docs").text

    found = set(re.findall(r'"code": "(\w+)"', json.dumps(document)))
    assert len(found) > 30
    assert all(f"<code>{word}</code>" in text for word in [*found, *document["components"]["headers"]])


def test_what_an_operator_writes_is_text_on_the_page(
    client_with: Callable[..., FlaskClient], tmp_path: Path
) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        'models."<script>x</script>" = { provider = "openai", upstream_model = "x", owned_by = "x", '
        'created = 1, sizes = ["64x64"], default_size = "64x64", max_prompt = 9, prices.64x64.standard = "0" }'
    )

    text = client_with(catalog=str(own)).get("/docs").text

    assert "<script>" not in text
    assert "&lt;script&gt;x&lt;/script&gt;" in text
