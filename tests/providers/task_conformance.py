"""What an adapter keeps to besides, whose provider accepts an order and is asked after it."""

import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

import pytest

from tests.providers.conformance import Conformance
from tests.providers.customer import QUICK, Hasty, a_line_to, submitted, told, waited
from tests.providers.simulator import Simulator
from tests.providers.upstream import Upstream, a_closed_port, answer
from tests.providers.wire_conformance import ODD_BODIES, ODD_STATUSES, PATIENT, assert_no_secret
from tests.tcp_proxy import TcpProxy
from workers.providers.base import Delivered, Pending, Provider
from workers.providers.errors import Misconfigured, OutcomeUnknown, ProviderError, TaskFailed, Unavailable
from workers.providers.http import Limits
from workers.providers.polling import Overtaken, Pace, wait

TROUBLES: dict[str, Callable[[TcpProxy], None]] = {
    "refused": TcpProxy.cut,
    "silent": TcpProxy.silence,
    "lost": lambda line: line.lose_answer_to(b"GET "),
}


class TaskConformance(Conformance):
    """`detours` are scripted outcomes on whose way there is a picture all the same, for one charge."""

    detours: ClassVar[Sequence[str]]

    @classmethod
    def tables(cls) -> dict[str, Sequence[Any]]:
        return super().tables() | {"detour": ("success", *cls.detours)}

    @abstractmethod
    def handle(self, address: str) -> dict[str, Any]:
        """Of a task that a bare upstream at this address might have accepted."""

    def hasty(self, address: str, limits: Limits = PATIENT) -> Hasty:
        adapter = self.build(address, limits)
        return Hasty(lambda: adapter)

    def test_an_order_is_resumed_by_its_handle_whoever_asks_and_made_once(
        self, simulator: Simulator, detour: str
    ) -> None:
        simulator.script(detour)
        anew = Hasty(lambda: self.build(simulator.address))
        handle = submitted(anew, self.order)

        pictures = waited(anew, self.order, told(handle))

        assert len(pictures) == 1
        assert anew.submits == len(simulator.charges()) == 1

    def test_a_handle_is_plain_json_and_tells_no_secret(self, simulator: Simulator, detour: str) -> None:
        simulator.script(detour)
        adapter = self.hasty(simulator.address)
        handles = [submitted(adapter, self.order)]

        wait(
            partial(adapter.poll, self.order),
            handles[0],
            pace=QUICK,
            keep=lambda handle: handles.append(dict(handle)),
            wanted=lambda: True,
        )

        assert [told(handle) for handle in handles] == handles
        assert_no_secret(str(handles))

    def test_nothing_is_taken_before_the_task_has_succeeded(self, simulator: Simulator) -> None:
        simulator.take(min=100, max=100)
        adapter = self.build(simulator.address)
        handle = submitted(adapter, self.order)

        for _ in range(4):
            simulator.advance(24)
            assert isinstance(adapter.poll(self.order, handle), Pending)
        simulator.advance(5)

        assert isinstance(adapter.poll(self.order, handle), Delivered)
        assert len(simulator.charges()) == 1

    def test_a_task_that_is_not_ready_at_the_deadline_is_unknown(self, simulator: Simulator) -> None:
        simulator.take(min=60, max=60)
        adapter = self.hasty(simulator.address)
        handle = submitted(adapter, self.order)
        started = time.monotonic()

        with pytest.raises(OutcomeUnknown):
            waited(adapter, self.order, handle, Pace(interval=0.01, deadline=0.1))

        assert time.monotonic() - started < 3
        assert adapter.submits == len(simulator.charges()) == 1
        assert adapter.polls >= 1

    def test_an_order_that_nobody_wants_any_more_is_not_asked_after_again(self, simulator: Simulator) -> None:
        simulator.take(min=60, max=60)
        adapter = self.hasty(simulator.address)
        handle = submitted(adapter, self.order)

        with pytest.raises(Overtaken):
            wait(partial(adapter.poll, self.order), handle, pace=QUICK, keep=lambda _: None, wanted=lambda: False)

        assert (adapter.submits, adapter.polls) == (1, 1)

    @pytest.mark.parametrize("trouble", TROUBLES)
    def test_a_poll_without_an_answer_is_repeated_and_the_order_is_not(
        self, simulator: Simulator, trouble: str
    ) -> None:
        with a_line_to(simulator) as line:
            adapter = self.hasty(f"http://{line.address}", Limits(read=0.5))
            handle = submitted(adapter, self.order)
            TROUBLES[trouble](line)

            wait(partial(adapter.poll, self.order), handle, pace=QUICK, keep=lambda _: None, wanted=mending(line))

        assert adapter.polls > adapter.submits == 1
        assert len(simulator.charges()) == 1

    def test_a_poll_that_nobody_hears_is_unavailable(self) -> None:
        with a_closed_port() as port, pytest.raises(Unavailable) as caught:
            self.build(f"http://127.0.0.1:{port}").poll(self.order, self.handle(f"http://127.0.0.1:{port}"))

        assert type(caught.value) is Unavailable

    def test_a_poll_that_redirects_takes_the_key_nowhere(self) -> None:
        with Upstream.answering(answer(200)) as elsewhere:
            moved = answer(302, location=elsewhere.address)
            with Upstream.answering(moved) as upstream, pytest.raises(Misconfigured):
                self.build(upstream.address).poll(self.order, self.handle(upstream.address))

        assert len(upstream.received) == 1
        assert elsewhere.received == []

    @pytest.mark.parametrize("status", [200, 202, *ODD_STATUSES])
    def test_whatever_a_poll_is_answered_the_order_is_not_given_up_for_another(self, status: int) -> None:
        bodies = [b""] if status in {204, 304} else [*ODD_BODIES, b'{"status": []}', b'{"status": "\\u0000"}']

        with Upstream.answering(b"") as upstream:
            adapter = self.build(upstream.address)
            for body in bodies:
                upstream.answer = answer(status, body)
                outcome = answer_or_error(adapter, self, upstream.address)
                assert isinstance(outcome, Pending | Unavailable | Misconfigured)
                assert not isinstance(outcome, TaskFailed)

        assert len(upstream.received) == len(bodies)


def answer_or_error(adapter: Provider, suite: TaskConformance, address: str) -> object:
    try:
        return adapter.poll(suite.order, suite.handle(address))
    except ProviderError as error:
        return error


def mending(line: TcpProxy) -> Callable[[], bool]:
    """Asked between two polls, it makes the line whole again."""

    def mend() -> bool:
        line.cut()
        line.restore()
        return True

    return mend
