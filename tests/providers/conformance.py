"""What every adapter keeps to, whoever the provider is; an adapter's test subclasses it."""

import time
from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from traceback import format_exception
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from core.generation import Size
from tests.providers.customer import make
from tests.providers.simulator import Simulator
from tests.providers.upstream import Upstream, a_closed_port, answer
from tests.stack import until
from workers.pictures import NotAPicture, develop
from workers.providers.base import Order, Provider
from workers.providers.errors import Misconfigured, OutcomeUnknown, ProviderError, Unavailable
from workers.providers.http import Limits
from workers.providers.polling import Pace

KEY = "sk-conformance-0123456789abcdef"
PROMPT = "a very private wish"
PATIENT = Limits()

ODD_BODIES = (
    b"",
    b"null",
    b"[]",
    b'"words"',
    b"<html><h1>Moved</h1></html>",
    b'{"error": "words"}',
    b'{"error": {"code": [], "message": {"a": 1}, "param": []}}',
    b'{"error": {"code": "x", "message": "nul \\u0000, half a pair \\ud83d"}}',
    b'{"data": 7}',
    b'{"data": [null]}',
    b'{"data": [{"b64_json": "not base64!"}]}',
    b"[" * 100_000,
    bytes(range(256)),
)
ODD_STATUSES = (201, 204, 300, 304, 400, 401, 402, 404, 408, 409, 418, 429, 451, 500, 502, 504, 520, 529)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A scripted outcome of the simulator, the error that it has to become, and whether it costs all the same."""

    outcome: str
    error: type[ProviderError]
    retry_after: float | None = None
    charged: bool = False

    def __str__(self) -> str:
        return self.outcome


def assert_no_secret(told: str) -> None:
    assert KEY not in told
    assert PROMPT not in told


class Conformance(ABC):
    """`order` is for one picture, `most` how many may be ordered at once."""

    provider: ClassVar[str]
    order: ClassVar[Order]
    most: ClassVar[int]
    refusals: ClassVar[Sequence[Refusal]]

    @classmethod
    def tables(cls) -> dict[str, Sequence[Any]]:
        """What a test is repeated with, by the name of its argument."""
        return {"n": range(1, cls.most + 1), "refusal": cls.refusals}

    @abstractmethod
    def build(self, address: str, limits: Limits = PATIENT) -> Provider:
        """The adapter, speaking to a host's root with KEY."""

    @pytest.fixture(autouse=True)
    def _no_log_line_tells_a_secret(self, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
        caplog.set_level(0)
        with capture_logs() as lines:
            yield
        assert_no_secret(f"{lines} {[record.getMessage() for record in caplog.get_records('call')]}")

    def test_exactly_as_many_pictures_come_as_were_ordered_each_another_for_one_charge(
        self, simulator: Simulator, n: int
    ) -> None:
        pictures = make(self.build(simulator.address), replace(self.order, n=n))

        assert len(pictures) == n
        assert len({picture.data for picture in pictures}) == n
        assert len(simulator.charges()) == 1

    def test_no_more_may_be_ordered_than_a_call_makes(self, simulator: Simulator) -> None:
        assert self.most <= self.build(simulator.address).pictures_per_call

    def test_equal_orders_are_two_and_both_are_charged(self, simulator: Simulator) -> None:
        adapter = self.build(simulator.address)

        assert [len(make(adapter, self.order)) for _ in range(2)] == [1, 1]
        assert len(simulator.charges()) == 2

    def test_a_picture_can_be_developed_to_the_size_ordered(self, simulator: Simulator) -> None:
        [picture] = make(self.build(simulator.address), self.order)

        assert develop(picture.data, self.order.size).startswith(b"\x89PNG")

    def test_a_picture_of_another_size_is_handed_on_as_it_came(self, simulator: Simulator) -> None:
        simulator.script("wrong_size")

        [picture] = make(self.build(simulator.address), self.order)

        assert develop(picture.data, Size(64, 64)).startswith(b"\x89PNG")

    def test_a_truncated_picture_is_never_developed(self, simulator: Simulator) -> None:
        simulator.script("truncated")

        with pytest.raises((NotAPicture, OutcomeUnknown)):
            develop(make(self.build(simulator.address), self.order)[0].data, self.order.size)

        assert len(simulator.charges()) == 1

    def test_each_refusal_says_what_to_do(self, simulator: Simulator, refusal: Refusal) -> None:
        simulator.script(refusal.outcome)

        with pytest.raises(ProviderError) as caught:
            make(self.build(simulator.address), self.order)

        assert type(caught.value) is refusal.error
        assert getattr(caught.value, "retry_after", None) == refusal.retry_after
        assert len(simulator.charges()) == refusal.charged

    def test_no_refusal_tells_the_key_or_the_prompt(self, simulator: Simulator, refusal: Refusal) -> None:
        simulator.script(refusal.outcome)

        with pytest.raises(ProviderError) as caught:
            make(self.build(simulator.address), self.order)

        assert_no_secret("".join([repr(caught.value), caught.value.public, *format_exception(caught.value)]))

    @pytest.mark.parametrize("outcome", ["drop", "garbage", "empty"])
    def test_a_lost_answer_is_unknown_was_charged_once_and_is_never_asked_for_again(
        self, simulator: Simulator, outcome: str
    ) -> None:
        simulator.script(outcome)

        with pytest.raises(OutcomeUnknown) as caught:
            make(self.build(simulator.address), self.order)

        assert [charge["outcome"] for charge in simulator.charges()] == [outcome]
        assert_no_secret("".join(format_exception(caught.value)))

    def test_an_answer_that_does_not_begin_is_given_up_and_unknown(self, simulator: Simulator) -> None:
        simulator.script("hang")
        started = time.monotonic()

        with pytest.raises(OutcomeUnknown):
            self.build(simulator.address, Limits(read=0.3)).submit(self.order)

        assert time.monotonic() - started < 3
        until(lambda: len(simulator.charges()) == 1, "the one call is charged")

    def test_a_connection_that_drops_before_the_answer_is_unknown_too(self, simulator: Simulator) -> None:
        simulator.script("drop_before")

        with pytest.raises(OutcomeUnknown):
            self.build(simulator.address).submit(self.order)

        assert simulator.charges() == []

    def test_an_answer_that_trickles_is_given_up_when_the_call_has_taken_too_long(
        self, simulator: Simulator
    ) -> None:
        simulator.script("slow_body")
        simulator.take(body_seconds=10)
        started = time.monotonic()

        with pytest.raises(OutcomeUnknown):
            self.build(simulator.address, Limits(whole=0.2)).submit(self.order)

        assert time.monotonic() - started < 3

    def test_an_answer_larger_than_any_picture_is_given_up(self, simulator: Simulator) -> None:
        adapter = self.build(simulator.address, Limits(answer_bytes=1000))

        with pytest.raises(OutcomeUnknown):
            make(adapter, self.order, pace=Pace(interval=0.01, deadline=0.2))

        assert len(simulator.charges()) == 1

    def test_a_port_where_nobody_listens_is_unavailable(self) -> None:
        with a_closed_port() as port, pytest.raises(Unavailable) as caught:
            self.build(f"http://127.0.0.1:{port}").submit(self.order)

        assert_no_secret("".join(format_exception(caught.value)))

    def test_a_name_that_nobody_has_is_unavailable(self) -> None:
        with pytest.raises(Unavailable):
            self.build("http://provider.invalid").submit(self.order)

    def test_a_failed_handshake_is_unavailable_since_nothing_was_asked(self, simulator: Simulator) -> None:
        with pytest.raises(Unavailable):
            self.build(f"https://{urlsplit(simulator.address).netloc}").submit(self.order)

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirect_is_our_fault_and_takes_the_key_nowhere(self, status: int) -> None:
        with Upstream.answering(answer(200)) as elsewhere:
            moved = answer(status, location=elsewhere.address + "/v1")
            with Upstream.answering(moved) as upstream, pytest.raises(Misconfigured):
                self.build(upstream.address).submit(self.order)

        assert len(upstream.received) == 1
        assert elsewhere.received == []

    @pytest.mark.parametrize("status", ODD_STATUSES)
    def test_whatever_comes_an_adapter_raises_nothing_but_provider_errors(self, status: int) -> None:
        bodies = [b""] if status in {204, 304} else ODD_BODIES

        with Upstream.answering(b"") as upstream:
            adapter = self.build(upstream.address)
            for body in bodies:
                upstream.answer = answer(status, body)
                with pytest.raises(ProviderError) as caught:
                    adapter.submit(self.order)
                assert "\0" not in str(caught.value) + caught.value.public
                assert str(caught.value).encode()

        assert len(upstream.received) == len(bodies)

    @pytest.mark.parametrize("body", ODD_BODIES)
    def test_a_success_without_a_picture_is_unknown(self, body: bytes) -> None:
        with Upstream.answering(answer(200, body)) as upstream, pytest.raises(OutcomeUnknown):
            self.build(upstream.address).submit(self.order)

    def test_an_answer_that_breaks_off_is_unknown(self) -> None:
        whole = answer(200, b'{"data": [{"b64_json": "' + b64encode(bytes(3000)) + b'"}]}')

        for cut in (8, 40, len(whole) // 2, len(whole) - 1):
            with (
                Upstream.answering(whole[:cut], hangs_up=True) as upstream,
                pytest.raises(OutcomeUnknown),
            ):
                self.build(upstream.address).submit(self.order)

            assert len(upstream.received) == 1

    def test_a_connection_is_kept_for_the_next_call(self) -> None:
        with Upstream.answering(answer(500)) as upstream:
            adapter = self.build(upstream.address)
            for _ in range(3):
                with pytest.raises(Unavailable):
                    adapter.submit(self.order)

        assert (upstream.connections, len(upstream.received)) == (1, 3)

    def test_a_connection_that_was_closed_while_idle_costs_nothing(self) -> None:
        with Upstream.answering(answer(500), hangs_up=True) as upstream:
            adapter = self.build(upstream.address)
            for _ in range(3):
                with pytest.raises(Unavailable):
                    adapter.submit(self.order)
                assert upstream.hung_up.wait(5)
                upstream.hung_up.clear()

        assert (upstream.connections, len(upstream.received)) == (3, 3)
