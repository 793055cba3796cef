from collections.abc import Iterator

import pytest
import requests

from tests.providers.conformance import KEY, PROMPT
from tests.providers.midjourney import (
    ORDER,
    advance,
    build,
    charged,
    configure,
    pictures,
    polled,
    restart,
    submitted,
)
from tests.providers.simulator import Simulator
from tests.providers.upstream import a_closed_port
from tests.stack import until
from workers.providers.base import Pending
from workers.providers.errors import (
    Misconfigured,
    Moderated,
    OutcomeUnknown,
    ProviderError,
    Rejected,
    TaskFailed,
    Throttled,
    Unavailable,
)
from workers.providers.http import Limits
from workers.providers.midjourney import MOST_MISSES


@pytest.fixture(scope="module")
def running_simulator() -> Iterator[Simulator]:
    with Simulator.running("midjourney", KEY) as simulator:
        yield simulator


@pytest.fixture(params=["novicezk", "trueai"])
def proxy(simulator: Simulator, request: pytest.FixtureRequest) -> Simulator:
    """The simulator in each of its dialects."""
    configure(simulator, dialect=request.param)
    return simulator


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        ("no_account", Unavailable),
        ("validation", Rejected),
        ("quota", Misconfigured),
        ("drawing_limit", Misconfigured),
        ("concurrency", Throttled),
        ("failure", Unavailable),
        ("queue_full", Throttled),
        ("banned_word", Moderated),
        ("relay_limit", Throttled),
        ("unauthorized", Misconfigured),
        ("forbidden", Misconfigured),
        ("server_error", Unavailable),
        ("bad_gateway", Unavailable),
        ("unavailable", Unavailable),
    ],
)
def test_each_refusal_says_what_to_do_and_neither_key_nor_prompt(
    proxy: Simulator, outcome: str, kind: type[ProviderError], caplog: pytest.LogCaptureFixture
) -> None:
    proxy.script(outcome)
    caplog.set_level(0)

    with pytest.raises(ProviderError) as caught:
        build(proxy.address).submit(ORDER)

    assert type(caught.value) is kind
    told = f"{caught.value!r} {caught.value.public} {caplog.text}"
    assert KEY not in told
    assert PROMPT not in told
    assert charged(proxy) == []


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        ("invalid_parameter", Rejected),
        ("banned_prompt", Moderated),
        ("image_denied", Moderated),
        ("failed_to_process", TaskFailed),
        ("job_queued", TaskFailed),
        ("no_account_later", TaskFailed),
        ("timeout", TaskFailed),
    ],
)
def test_each_failure_of_a_task_says_what_to_do(proxy: Simulator, outcome: str, kind: type[ProviderError]) -> None:
    proxy.script(outcome)
    adapter = build(proxy.address)
    handle = submitted(adapter)

    with pytest.raises(ProviderError) as caught:
        adapter.poll(ORDER, handle)

    assert type(caught.value) is kind


def test_a_cancelled_task_needs_another_order(simulator: Simulator) -> None:
    configure(simulator, dialect="trueai")
    simulator.take(min=60, max=60)
    adapter = build(simulator.address)
    handle = submitted(adapter)
    path = f"{simulator.address}/mj/task/{handle['task']}/cancel"
    requests.post(path, headers={"mj-api-secret": KEY}, timeout=5).raise_for_status()

    with pytest.raises(TaskFailed):
        adapter.poll(ORDER, handle)


def test_a_task_that_waits_behind_others_is_accepted(proxy: Simulator) -> None:
    proxy.take(min=60, max=60)
    adapter = build(proxy.address)

    handles = [submitted(adapter) for _ in range(6)]

    assert len({handle["task"] for handle in handles}) == 6
    assert adapter.poll(ORDER, handles[-1]) == Pending()


def test_a_task_that_is_said_to_exist_is_read(proxy: Simulator) -> None:
    proxy.script("exists")

    assert len(pictures(build(proxy.address))) == 1


@pytest.mark.parametrize("outcome", ["drop", "garbage"])
def test_an_answer_that_is_lost_is_unknown_and_was_charged_once(proxy: Simulator, outcome: str) -> None:
    proxy.script(outcome)

    with pytest.raises(OutcomeUnknown):
        build(proxy.address).submit(ORDER)

    assert charged(proxy) == ["imagine"]


def test_a_connection_that_drops_before_the_answer_is_unknown_too(simulator: Simulator) -> None:
    simulator.script("drop_before")

    with pytest.raises(OutcomeUnknown):
        build(simulator.address).submit(ORDER)

    assert charged(simulator) == []


@pytest.mark.parametrize(("outcome", "limits"), [("hang", Limits(read=0.3)), ("slow_body", Limits(whole=0.2))])
def test_an_answer_that_does_not_come_is_given_up_and_unknown(
    simulator: Simulator, outcome: str, limits: Limits
) -> None:
    simulator.script(outcome)

    with pytest.raises(OutcomeUnknown):
        build(simulator.address, limits).submit(ORDER)

    until(lambda: charged(simulator) == ["imagine"], "the one task is charged")


def test_a_port_where_nobody_listens_is_unavailable() -> None:
    with a_closed_port() as port:
        adapter = build(f"http://127.0.0.1:{port}")

        with pytest.raises(Unavailable):
            adapter.submit(ORDER)
        with pytest.raises(Unavailable):
            adapter.poll(ORDER, {"task": "1"})


@pytest.mark.parametrize("key", ["", "another"])
def test_a_wrong_secret_is_our_fault(proxy: Simulator, key: str) -> None:
    with pytest.raises(Misconfigured):
        build(proxy.address, key=key).submit(ORDER)
    with pytest.raises(Misconfigured):
        build(proxy.address, key=key).poll(ORDER, {"task": "1"})


def test_a_task_that_a_restart_lost_is_waited_for_a_little_and_then_unknown(proxy: Simulator) -> None:
    handle = submitted(build(proxy.address))
    restart(proxy)

    for _ in range(MOST_MISSES):
        answered = build(proxy.address).poll(ORDER, handle)
        assert isinstance(answered, Pending)
        handle = dict(answered.handle or {})

    with pytest.raises(OutcomeUnknown):
        build(proxy.address).poll(ORDER, handle)
    assert charged(proxy) == ["imagine"]


def test_a_task_without_a_picture_is_unknown_in_the_end(proxy: Simulator) -> None:
    proxy.script("empty")

    with pytest.raises(OutcomeUnknown):
        pictures(build(proxy.address))


def test_a_picture_whose_address_has_expired_is_unknown_in_the_end(proxy: Simulator) -> None:
    adapter = build(proxy.address)
    handle = submitted(adapter)
    advance(proxy, 24 * 3600 + 1)

    with pytest.raises(OutcomeUnknown):
        polled(lambda: adapter, ORDER, handle)


def test_a_truncated_grid_is_unknown(proxy: Simulator) -> None:
    proxy.script("truncated")

    with pytest.raises(OutcomeUnknown):
        pictures(build(proxy.address))
