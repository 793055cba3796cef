"""How the supervisor learns that a part answers, by raw sockets and log lines so that asking costs nothing."""

import asyncio
import json
from contextlib import suppress

from sandbox.service import Check, Log

_PATIENCE = 2.0


def answers(port: int, question: bytes, expected: bytes) -> Check:
    async def check(_: Log) -> bool:
        with suppress(OSError, TimeoutError):
            return expected in await asyncio.wait_for(_ask(port, question), _PATIENCE)
        return False

    return check


def http_ok(port: int, path: str) -> Check:
    question = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
    return answers(port, question.encode(), b" 200 ")


def all_of(*checks: Check) -> Check:
    async def check(log: Log) -> bool:
        return all([await each(log) for each in checks])

    return check


def logged(event: str) -> Check:
    """Ready once the part has logged this event since it was started."""

    async def check(log: Log) -> bool:
        return any(_event(line) == event for line in log.text().splitlines() if event in line)

    return check


async def _ask(port: int, question: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(question)
        return await reader.read(256)
    finally:
        writer.close()


def _event(line: str) -> object:
    with suppress(ValueError):
        entry = json.loads(line)
        return entry.get("event") if isinstance(entry, dict) else None
    return None
