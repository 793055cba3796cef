"""GET /openapi.json and /docs: what the API is, for programs and for people."""

import json
from functools import cached_property
from pathlib import Path
from typing import Any

from flask import Request, Response

from api import docs_page
from api.openapi import document
from core.catalog import Catalog

STYLE = Path(__file__).with_name("static") / "docs.css"
# Nothing but the page itself and its own style: no scripts, no other hosts.
POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


class Reference:
    """Made when it is first asked for: what it tells does not change while the process lives."""

    def __init__(self, catalog: Catalog, public_url: str) -> None:
        self._catalog = catalog
        self._public_url = public_url

    def for_programs(self, request: Request) -> Response:
        response = _kept(Response(self._json, mimetype="application/json"), request)
        response.headers["access-control-allow-origin"] = "*"  # for pages that show or try such documents
        return response

    def for_people(self, request: Request) -> Response:
        response = _kept(Response(self._page, mimetype="text/html"), request)
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    def style(self, request: Request) -> Response:
        return _kept(Response(self._style, mimetype="text/css"), request)

    @cached_property
    def _document(self) -> dict[str, Any]:
        return document.build(self._catalog, self._public_url)

    @cached_property
    def _json(self) -> str:
        return json.dumps(self._document)

    @cached_property
    def _page(self) -> str:
        return docs_page.render(self._document)

    @cached_property
    def _style(self) -> str:
        return STYLE.read_text(encoding="utf-8")


def _kept(response: Response, request: Request) -> Response:
    """To be kept by whoever likes, and asked after before it is used again: an update may have changed it."""
    response.cache_control.no_cache = True
    response.add_etag()
    response.make_conditional(request)
    return response
