"""Calls back whoever gave the BFL simulator a webhook; once, and unsigned: no signature was ever captured."""

from contextlib import suppress

import gevent
import requests
from gevent import get_hub

PATIENCE_SECONDS = 30


def call_back(url: str, body: bytes, seconds: float) -> None:
    """Post the task's body after so many seconds."""
    gevent.spawn_later(seconds, get_hub().threadpool.spawn, _post, url, body)


def _post(url: str, body: bytes) -> None:
    with suppress(requests.RequestException):
        requests.post(url, body, headers={"Content-Type": "application/json"}, timeout=PATIENCE_SECONDS)
