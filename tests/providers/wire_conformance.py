"""What every adapter keeps to whatever comes over the wire, also what no provider would send."""

from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Iterator
from traceback import format_exception
from typing import ClassVar

import pytest
from structlog.testing import capture_logs

from tests.providers.upstream import Upstream, a_closed_port, answer
from workers.providers.base import Order, Provider
from workers.providers.errors import Misconfigured, OutcomeUnknown, ProviderError, Unavailable
from workers.providers.http import Limits

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


def assert_no_secret(told: str) -> None:
    assert KEY not in told
    assert PROMPT not in told


class WireConformance(ABC):
    """`order` is for one picture."""

    order: ClassVar[Order]

    @abstractmethod
    def build(self, address: str, limits: Limits = PATIENT) -> Provider:
        """The adapter, speaking to a host's root with KEY."""

    @pytest.fixture(autouse=True)
    def _no_log_line_tells_a_secret(self, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
        caplog.set_level(0)
        with capture_logs() as lines:
            yield
        assert_no_secret(f"{lines} {[record.getMessage() for record in caplog.get_records('call')]}")

    def test_a_port_where_nobody_listens_is_unavailable(self) -> None:
        with a_closed_port() as port, pytest.raises(Unavailable) as caught:
            self.build(f"http://127.0.0.1:{port}").submit(self.order)

        assert_no_secret("".join(format_exception(caught.value)))

    def test_a_name_that_nobody_has_is_unavailable(self) -> None:
        with pytest.raises(Unavailable):
            self.build("http://provider.invalid").submit(self.order)

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
