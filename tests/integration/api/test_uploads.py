"""Uploads of files: what they may be, and what is left of those that fail."""

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.serving import make_server

from core.bootstrap import Services
from core.errors import StoreUnavailable
from core.orm import File
from tests.integration.api.envelope import error_of
from tests.integration.api.uploading import LINE, Headers, keys_in_store, listed, part, upload, uploaded


def test_the_file_may_come_before_its_purpose(client: FlaskClient, authorized: Headers) -> None:
    form = part("file", "prompts.jsonl", LINE) + part("purpose", None, b"batch") + b"--x--\r\n"
    headers = {**authorized, "Content-Type": "multipart/form-data; boundary=x"}

    response = client.post("/v1/files", data=form, headers=headers)

    assert (response.status_code, response.get_json()["bytes"]) == (200, len(LINE))


def test_a_life_of_its_own_is_kept_to(client: FlaskClient, authorized: Headers) -> None:
    life = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}

    file = uploaded(client, authorized, **life)

    assert file["expires_at"] == file["created_at"] + 3600


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"expires_after[anchor]": "created_at"}, ("missing_required_parameter", "expires_after[seconds]")),
        ({"expires_after[seconds]": "3600"}, ("missing_required_parameter", "expires_after[anchor]")),
        (
            {"expires_after[anchor]": "x", "expires_after[seconds]": "3600"},
            ("invalid_value", "expires_after[anchor]"),
        ),
        (
            {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3599"},
            ("integer_below_min_value", "expires_after[seconds]"),
        ),
        (
            {"expires_after[anchor]": "created_at", "expires_after[seconds]": "2592001"},
            ("integer_above_max_value", "expires_after[seconds]"),
        ),
        (
            {"expires_after[anchor]": "created_at", "expires_after[seconds]": "soon"},
            ("invalid_type", "expires_after[seconds]"),
        ),
    ],
)
def test_a_life_that_cannot_be_is_refused(
    client: FlaskClient, authorized: Headers, fields: dict[str, Any], fault: tuple[str, str]
) -> None:
    response = upload(client, authorized, **fields)

    error = error_of(response)
    assert (response.status_code, error["code"], error["param"]) == (400, *fault)
    assert listed(client, authorized)["data"] == []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"purpose": None}, "'purpose' is a required property"),
        ({"file": None}, "'file' is a required property"),
        (
            {"purpose": "answers"},
            "'answers' is not one of ['assistants', 'batch', 'fine-tune', 'vision', 'user_data', 'evals']",
        ),
        ({"purpose": "batch_output"}, "'batch_output' is not one of"),
        ({"name": "prompts.csv"}, "Invalid file format for Batch API. Must be .jsonl"),
        ({"body": b""}, "Invalid file format for Batch API. Must be .jsonl"),
        ({"body": b"a fox\n" + LINE}, "Invalid file format for Batch API. Must be .jsonl"),
        ({"body": b"\xef\xbb\xbf" + LINE}, "Invalid file format for Batch API. Must be .jsonl"),
        ({"body": b"\xff\xfe" + LINE}, "Invalid file format for Batch API. Must be .jsonl"),
        ({"body": b"[" * 1_100_000}, "Invalid file format for Batch API. Must be .jsonl"),
    ],
)
def test_what_is_no_file_of_openais_is_refused_in_its_words(
    client: FlaskClient, authorized: Headers, fields: dict[str, Any], message: str
) -> None:
    response = upload(client, authorized, **fields)

    error = error_of(response)
    assert (response.status_code, error["type"]) == (400, "invalid_request_error")
    assert (error["code"], error["param"]) == (None, None)
    assert str(error["message"]).startswith(message)
    assert listed(client, authorized)["data"] == []


@pytest.mark.parametrize("body", [LINE.replace(b"\n", b"\r\n"), LINE.strip(), LINE + b"not json"])
def test_only_the_first_line_is_looked_at(client: FlaskClient, authorized: Headers, body: bytes) -> None:
    assert uploaded(client, authorized, body=body)["bytes"] == len(body)


def test_a_form_is_required(client: FlaskClient, authorized: Headers) -> None:
    response = client.post("/v1/files", json={"purpose": "batch"}, headers=authorized)

    assert response.status_code == 400
    assert str(error_of(response)["message"]).startswith("Unsupported content type: 'application/json'.")


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd.jsonl", "passwd.jsonl"),
        ("/absolute/prompts.jsonl", "prompts.jsonl"),
        ("füchse.jsonl", "füchse.jsonl"),
        ("a" * 300 + ".jsonl", "a" * 249 + ".jsonl"),
    ],
)
def test_a_name_is_a_label_and_no_path(client: FlaskClient, authorized: Headers, name: str, kept: str) -> None:
    file = uploaded(client, authorized, name=name)

    assert file["filename"] == kept
    content = client.get(f"/v1/files/{file['id']}/content", headers=authorized)
    assert (content.status_code, content.data) == (200, LINE)


def test_two_uploads_at_once_are_two_files(app: Flask, authorized: Headers) -> None:
    bodies = [LINE + b"x" * 600_000, LINE + b"y" * 600_000]

    def send(body: bytes) -> dict[str, Any]:
        return uploaded(app.test_client(), authorized, body=body)

    with ThreadPoolExecutor(2) as pool:
        sent = list(pool.map(send, bodies))

    client = app.test_client()
    assert [client.get(f"/v1/files/{file['id']}/content", headers=authorized).data for file in sent] == bodies


def test_a_store_that_is_away_leaves_nothing_listed(
    client: FlaskClient, client_with: Callable[..., FlaskClient], authorized: Headers
) -> None:
    response = upload(client_with(s3_endpoint="http://127.0.0.1:1"), authorized)

    assert (response.status_code, error_of(response)["code"]) == (503, "temporarily_unavailable")
    assert response.headers["x-should-retry"] == "true"
    assert listed(client, authorized)["data"] == []


def test_what_fails_half_way_into_the_store_leaves_nothing_there(services: Services) -> None:
    def pieces() -> Any:
        yield b"x" * 12_000_000
        raise OSError("the disk is gone")

    with pytest.raises(StoreUnavailable):
        services.storage.put_pieces("files/half", pieces())

    assert "files/half" not in keys_in_store(services)


def test_a_body_beyond_the_limit_is_refused_before_it_is_read(client: FlaskClient, authorized: Headers) -> None:
    headers = {**authorized, "Content-Type": "multipart/form-data; boundary=x"}

    response = client.post(
        "/v1/files", headers=headers, environ_overrides={"CONTENT_LENGTH": str(514 * 1024 * 1024)}
    )

    assert response.status_code == 413
    assert error_of(response)["type"] == "invalid_request_error"


def test_an_upload_that_breaks_off_leaves_nothing(app: Flask, services: Services, authorized: Headers) -> None:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    form = b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--x\r\n'
    form += b'Content-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n' + LINE
    head = f"POST /v1/files HTTP/1.1\r\nHost: x\r\nAuthorization: {authorized['Authorization']}\r\n"
    head += "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 100000\r\n\r\n"
    with ThreadPoolExecutor(1) as pool:
        served = pool.submit(server.handle_request)
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as line:
            line.sendall(head.encode() + form)
            line.shutdown(socket.SHUT_WR)
            answer = line.recv(65_536)
        served.result(timeout=10)
    server.server_close()

    assert b" 400 " in answer.partition(b"\r\n")[0]
    with services.database.transaction() as session:
        assert session.scalars(select(File.id).where(File.filename == "a.jsonl")).all() == []
