"""What the head of every answer says, whatever its body: OpenAI's own, and leave for pages of any origin."""

from flask import Response, request

API_VERSION = "2020-10-01"
UNAUTHORIZED = 401
DAY_SECONDS = 86_400

# A key is sent on purpose, never by a browser of itself: any page may ask, and may read all that is answered.
OPEN = {"access-control-allow-origin": "*", "access-control-expose-headers": "*"}
# By the Fetch standard `*` covers every header but Authorization: also the SDKs' many of their own.
PREFLIGHT = {
    "access-control-allow-methods": "GET, POST, DELETE, OPTIONS",
    "access-control-allow-headers": "authorization, *",
    "access-control-max-age": str(DAY_SECONDS),
}


def preflight() -> Response | None:
    """Leave to send what a browser asks about, on whatever path: the request itself learns if there is none."""
    if request.method == "OPTIONS" and _is_api():
        return Response(headers=PREFLIGHT)
    return None


def complete(response: Response, *, request_id: str, seconds: float) -> None:
    """Like OpenAI's, an answer that knows no caller tells neither its version nor its time."""
    response.headers["x-request-id"] = request_id
    response.headers["x-content-type-options"] = "nosniff"
    if not _is_api():
        return
    response.headers.update(OPEN)
    if response.status_code != UNAUTHORIZED:
        response.headers["openai-version"] = API_VERSION
        response.headers["openai-processing-ms"] = str(round(seconds * 1000))


def _is_api() -> bool:
    return request.path.startswith("/v1/")
