from uuid import UUID

import pytest
from werkzeug.datastructures import Headers

from api import calls
from api.calls import Call
from core.keys import Caller
from core.states import Door

BODY = {"prompt": "a fox", "model": "dall-e-2"}


def read(*, key: int = 1, door: Door = Door.SYNC, reattaches: bool = True, **headers: str) -> Call:
    caller = Caller(UUID(int=key), "tester", reattaches=reattaches)
    given = Headers([(name.replace("_", "-"), value) for name, value in headers.items()])
    return calls.read(given, BODY, caller=caller, door=door)


@pytest.mark.parametrize(
    ("patience", "seconds"),
    [("600", 240.0), ("100", 95.0), ("10", 9.0), ("0.5", 0.45)]
    + [(nonsense, 240.0) for nonsense in ("", "0", "-1", "nan", "inf", "soon")],
)
def test_a_client_is_answered_a_little_before_it_gives_up(patience: str, seconds: float) -> None:
    assert read(x_stainless_read_timeout=patience).bound(240.0) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "count"), [("0", 0), ("2", 2), ("", None), ("-1", None), ("1.0", None), ("²", None), ("99999", None)]
)
def test_a_retry_count_is_a_small_number_or_nothing(text: str, count: int | None) -> None:
    assert read(x_stainless_retry_count=text).retry_count == count


def test_who_counts_or_names_his_call_comes_back() -> None:
    assert read(x_stainless_retry_count="0").comes_back
    assert read(Idempotency_Key="order-17", reattaches=False).comes_back
    assert not read().comes_back
    assert not read(x_stainless_retry_count="0", reattaches=False).comes_back


def test_calls_are_told_apart_by_name_and_by_whether_they_wait() -> None:
    told_apart = [
        read(),
        read(door=Door.ASYNC),
        read(Idempotency_Key="sync"),
        read(Idempotency_Key="other"),
    ]

    assert len({call.fingerprint for call in told_apart}) == len(told_apart)


def test_a_name_stands_for_its_body_whether_or_not_its_caller_waits() -> None:
    waits, goes_on = (read(Idempotency_Key="order-17", door=door) for door in (Door.SYNC, Door.ASYNC))

    assert waits.fingerprint == goes_on.fingerprint
