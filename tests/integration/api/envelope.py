"""What every answer of the HTTP front end has in common."""

import re

from werkzeug.test import TestResponse

REQUEST_ID = re.compile(r"req_[0-9a-f]{32}")


def error_of(response: TestResponse) -> dict[str, str | None]:
    """The error in an answer that has to be OpenAI's envelope, whole and alone."""
    assert REQUEST_ID.fullmatch(response.headers["x-request-id"])
    assert response.mimetype == "application/json"
    assert list(response.get_json()) == ["error"]
    error: dict[str, str | None] = response.get_json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert response.headers["x-should-retry"] in {"true", "false"}
    return error
