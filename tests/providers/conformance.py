"""What every adapter keeps to, whoever the provider is; an adapter's test subclasses it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from traceback import format_exception
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest

from core.generation import Size
from sandbox.simulators.control import SUCCESS
from sandbox.simulators.faults import FAULTS
from tests.providers.customer import make
from tests.providers.simulator import Simulator
from tests.providers.wire_conformance import WireConformance, assert_no_secret
from tests.stack import until
from workers.pictures import NotAPicture, develop
from workers.providers.errors import OutcomeUnknown, ProviderError, Unavailable
from workers.providers.http import Limits
from workers.providers.polling import Pace


@dataclass(frozen=True, slots=True)
class Refusal:
    """A scripted outcome of the simulator, the error that it has to become, and whether it costs all the same."""

    outcome: str
    error: type[ProviderError]
    retry_after: float | None = None
    charged: bool = False

    def __str__(self) -> str:
        return self.outcome


class Conformance(WireConformance):
    """`most` is how many pictures may be ordered at once; `not_here`, what cannot be played."""

    provider: ClassVar[str]
    most: ClassVar[int]
    refusals: ClassVar[Sequence[Refusal]]
    not_here: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def tables(cls) -> dict[str, Sequence[Any]]:
        """What a test is repeated with, by the name of its argument."""
        return {"n": range(1, cls.most + 1), "refusal": cls.refusals}

    def test_exactly_as_many_pictures_come_as_were_ordered_each_another_for_one_charge(
        self, simulator: Simulator, n: int
    ) -> None:
        pictures = make(self.build(simulator.address), replace(self.order, n=n))

        assert len(pictures) == n
        assert len({picture.data for picture in pictures}) == n
        assert len(simulator.charges()) == 1

    def test_no_outcome_of_the_simulator_is_forgotten(self, simulator: Simulator) -> None:
        tables = {str(row) for table in self.tables().values() for row in table}

        assert set(simulator.outcomes()) - {SUCCESS, *FAULTS} - self.not_here <= tables

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

    def test_a_failed_handshake_is_unavailable_since_nothing_was_asked(self, simulator: Simulator) -> None:
        with pytest.raises(Unavailable):
            self.build(f"https://{urlsplit(simulator.address).netloc}").submit(self.order)
