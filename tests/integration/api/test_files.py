"""Files through the front end: uploaded, listed, fetched and deleted by their owner alone."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openai import OpenAI
from werkzeug.serving import make_server

from core import files
from core.bootstrap import Services
from core.orm import File
from tests import builders
from tests.integration.api.envelope import error_of
from tests.integration.api.uploading import LINE, Headers, keys_in_store, listed, uploaded

MONTH = 30 * 86_400


def expire(services: Services, file_id: str) -> None:
    with services.database.transaction() as session:
        file = session.get_one(File, file_id)
        assert file.expires_at
        file.expires_at -= timedelta(days=31)


def test_a_file_of_prompts_is_not_kept_for_longer_than_prompts(
    client_with: Callable[..., FlaskClient], authorized: Headers
) -> None:
    client = client_with(keep_prompts_days=1)
    longer = {"expires_after[anchor]": "created_at", "expires_after[seconds]": str(MONTH)}

    of_batches = [uploaded(client, authorized), uploaded(client, authorized, **longer)]
    others = uploaded(client, authorized, purpose="user_data")

    assert [file["expires_at"] - file["created_at"] for file in of_batches] == [86_400, 86_400]
    assert others["expires_at"] is None


def test_a_file_is_told_as_openai_tells_it(client: FlaskClient, authorized: Headers) -> None:
    file = uploaded(client, authorized)

    assert set(file) == {
        *("id", "object", "bytes", "created_at", "expires_at", "filename", "purpose", "status", "status_details")
    }
    assert len(file["id"]) == len("file-") + 22
    assert file["id"].removeprefix("file-").isalnum()
    assert (file["object"], file["bytes"], file["filename"]) == ("file", len(LINE), "prompts.jsonl")
    assert (file["purpose"], file["status"], file["status_details"]) == ("batch", "processed", None)
    assert file["expires_at"] == file["created_at"] + MONTH
    assert client.get(f"/v1/files/{file['id']}", headers=authorized).get_json() == file


@pytest.mark.parametrize("size", [1, 511 * 1024, 6 * 1024 * 1024])
def test_what_was_sent_is_what_comes_back(client: FlaskClient, authorized: Headers, size: int) -> None:
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    file = uploaded(client, authorized, body=body, purpose="vision")

    response = client.get(f"/v1/files/{file['id']}/content", headers=authorized)

    assert (response.status_code, response.data, response.content_length) == (200, body, size)
    assert response.headers["Content-Disposition"] == "attachment; filename=prompts.jsonl"


@pytest.mark.parametrize("purpose", ["assistants", "fine-tune", "vision", "user_data", "evals"])
def test_what_is_for_no_batch_may_be_anything_and_stays(
    client: FlaskClient, authorized: Headers, purpose: str
) -> None:
    file = uploaded(client, authorized, body=b"", name="empty.bin", purpose=purpose)

    assert (file["purpose"], file["bytes"], file["expires_at"]) == (purpose, 0, None)
    assert client.get(f"/v1/files/{file['id']}/content", headers=authorized).data == b""


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("file_id", ["file-abc123", "%00", "img-x.png"])
def test_an_id_that_was_never_given_is_not_found(
    client: FlaskClient, authorized: Headers, method: str, file_id: str
) -> None:
    response = client.open(f"/v1/files/{file_id}", method=method, headers=authorized)

    error = error_of(response)
    assert (response.status_code, error["param"], error["code"]) == (404, "id", None)
    assert str(error["message"]).startswith("No such File object: ")


def test_the_files_of_others_are_not_there(client: FlaskClient, services: Services, authorized: Headers) -> None:
    file = uploaded(client, authorized)
    key, _ = builders.make_caller(services)
    stranger = {"Authorization": f"Bearer {key}"}

    answers = [
        client.get(f"/v1/files/{file['id']}", headers=stranger),
        client.get(f"/v1/files/{file['id']}/content", headers=stranger),
        client.delete(f"/v1/files/{file['id']}", headers=stranger),
    ]

    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert listed(client, stranger)["data"] == []
    assert listed(client, authorized)["data"] == [file]


def test_a_deleted_file_is_gone_from_list_and_store(
    client: FlaskClient, services: Services, authorized: Headers
) -> None:
    file = uploaded(client, authorized)

    deleted = client.delete(f"/v1/files/{file['id']}", headers=authorized)

    assert deleted.get_json() == {"id": file["id"], "object": "file", "deleted": True}
    assert client.delete(f"/v1/files/{file['id']}", headers=authorized).status_code == 404
    assert client.get(f"/v1/files/{file['id']}/content", headers=authorized).status_code == 404
    assert listed(client, authorized)["data"] == []
    assert f"files/{file['id']}" not in keys_in_store(services)


def test_an_expired_file_is_gone_and_swept(client: FlaskClient, services: Services, authorized: Headers) -> None:
    file = uploaded(client, authorized)
    expire(services, file["id"])

    assert client.get(f"/v1/files/{file['id']}", headers=authorized).status_code == 404
    assert listed(client, authorized)["data"] == []
    assert files.sweep(services.database, services.storage, most=10) == 1
    assert f"files/{file['id']}" not in keys_in_store(services)
    assert files.sweep(services.database, services.storage, most=10) == 0


def test_pages_of_a_list_are_complete_in_both_orders(client: FlaskClient, authorized: Headers) -> None:
    ids = [uploaded(client, authorized)["id"] for _ in range(5)]
    other = uploaded(client, authorized, purpose="vision")["id"]

    for order, wanted in (("desc", [other, *reversed(ids)]), ("asc", [*ids, other])):
        found, page = [], listed(client, authorized, limit=2, order=order)
        found += [file["id"] for file in page["data"]]
        while page["has_more"]:
            page = listed(client, authorized, limit=2, order=order, after=page["last_id"])
            found += [file["id"] for file in page["data"]]
        assert found == wanted

    assert [file["id"] for file in listed(client, authorized, purpose="vision")["data"]] == [other]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"limit": "0"}, "integer_below_min_value"),
        ({"limit": "10001"}, "integer_above_max_value"),
        ({"limit": "many"}, "invalid_type"),
        ({"order": "up"}, "invalid_value"),
        ({"page": "2"}, "unknown_parameter"),
    ],
)
def test_a_list_that_cannot_be_is_refused(
    client: FlaskClient, authorized: Headers, query: dict[str, str], code: str
) -> None:
    response = client.get("/v1/files", query_string=query, headers=authorized)

    assert (response.status_code, error_of(response)["code"]) == (400, code)


def test_the_official_client_uploads_lists_reads_and_deletes(
    app: Flask, services: Services, tmp_path: Any
) -> None:
    key, _ = builders.make_caller(services)
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_bytes(LINE)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(server.serve_forever)
        try:
            with OpenAI(api_key=key, base_url=f"http://127.0.0.1:{server.server_port}/v1", max_retries=0) as sdk:
                with prompts.open("rb") as body:
                    file = sdk.files.create(
                        file=body, purpose="batch", expires_after={"anchor": "created_at", "seconds": 7200}
                    )
                assert sdk.files.wait_for_processing(file.id).status == "processed"
                assert [each.id for each in sdk.files.list(purpose="batch")] == [file.id]
                assert sdk.files.content(file.id).read() == LINE
                assert file.expires_at == file.created_at + 7200
                assert sdk.files.delete(file.id).deleted
        finally:
            server.shutdown()
            running.result(timeout=10)
            server.server_close()
