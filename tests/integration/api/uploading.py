"""An owner of files at the front end."""

from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from core.bootstrap import Services

LINE = b'{"custom_id": "1", "method": "POST", "url": "/v1/images/generations", "body": {}}\n'
Headers = dict[str, str]


def upload(
    client: FlaskClient, headers: Headers, body: bytes = LINE, name: str = "prompts.jsonl", **fields: str | None
) -> TestResponse:
    form = {"purpose": "batch", "file": name, **fields}
    parts = [
        part(field, text, body) if field == "file" else part(field, None, text.encode())
        for field, text in form.items()
        if text is not None
    ]
    given = {**headers, "Content-Type": "multipart/form-data; boundary=x"}
    return client.post("/v1/files", data=b"".join([*parts, b"--x--\r\n"]), headers=given)


def part(field: str, name: str | None, body: bytes) -> bytes:
    named = "" if name is None else f'; filename="{name}"'
    return f'--x\r\nContent-Disposition: form-data; name="{field}"{named}\r\n\r\n'.encode() + body + b"\r\n"


def uploaded(client: FlaskClient, headers: Headers, **given: Any) -> dict[str, Any]:
    response = upload(client, headers, **given)
    assert response.status_code == 200, response.text
    file: dict[str, Any] = response.get_json()
    return file


def listed(client: FlaskClient, headers: Headers, **query: Any) -> dict[str, Any]:
    page: dict[str, Any] = client.get("/v1/files", query_string=query, headers=headers).get_json()
    return page


def keys_in_store(services: Services) -> set[str]:
    found = services.storage._minio.list_objects(services.storage.bucket, prefix="files/", recursive=True)  # noqa: SLF001 - the product lists nothing
    return {each.object_name for each in found}
