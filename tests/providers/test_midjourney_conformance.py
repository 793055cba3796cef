from collections.abc import Sequence
from typing import Any, ClassVar

import pytest
import requests

from tests.providers.conformance import Refusal
from tests.providers.customer import make, submitted, waited
from tests.providers.midjourney import ORDER, build, charged, configure, restart
from tests.providers.simulator import Simulator
from tests.providers.task_conformance import TaskConformance
from tests.providers.wire_conformance import KEY, PATIENT
from workers.providers.base import Pending
from workers.providers.errors import (
    Misconfigured,
    Moderated,
    OutcomeUnknown,
    Rejected,
    TaskFailed,
    Throttled,
    Unavailable,
)
from workers.providers.http import Limits
from workers.providers.midjourney import MOST_MISSES, Midjourney

provider = "midjourney"


class MidjourneyConformance(TaskConformance):
    provider = provider
    dialect: ClassVar[str]
    order = ORDER
    most = 4
    refusals: ClassVar[Sequence[Refusal]] = (
        Refusal("no_account", Unavailable),
        Refusal("validation", Rejected),
        Refusal("quota", Misconfigured),
        Refusal("drawing_limit", Misconfigured),
        Refusal("concurrency", Throttled),
        Refusal("failure", Unavailable),
        Refusal("queue_full", Throttled),
        Refusal("banned_word", Moderated),
        Refusal("relay_limit", Throttled),
        Refusal("unauthorized", Misconfigured),
        Refusal("forbidden", Misconfigured),
        Refusal("server_error", Unavailable),
        Refusal("bad_gateway", Unavailable),
        Refusal("unavailable", Unavailable),
        Refusal("invalid_parameter", Rejected),
        Refusal("banned_prompt", Moderated),
        Refusal("image_denied", Moderated, charged=True),
        Refusal("failed_to_process", TaskFailed),
        Refusal("job_queued", TaskFailed),
        Refusal("no_account_later", TaskFailed),
        Refusal("timeout", OutcomeUnknown, charged=True),
        Refusal("lost", OutcomeUnknown, charged=True),
    )
    detours: ClassVar[Sequence[str]] = ("exists",)

    @pytest.fixture
    def simulator(self, simulator: Simulator) -> Simulator:
        configure(simulator, dialect=self.dialect)
        return simulator

    def build(self, address: str, limits: Limits = PATIENT) -> Midjourney:
        return build(address, limits)

    def handle(self, address: str) -> dict[str, Any]:
        return {"task": address.rpartition(":")[2]}

    @pytest.mark.parametrize("key", ["", "another"])
    def test_a_wrong_secret_is_our_fault(self, simulator: Simulator, key: str) -> None:
        with pytest.raises(Misconfigured):
            build(simulator.address, key=key).submit(ORDER)
        with pytest.raises(Misconfigured):
            build(simulator.address, key=key).poll(ORDER, {"task": "1"})

    def test_a_task_that_waits_behind_others_is_accepted(self, simulator: Simulator) -> None:
        simulator.take(min=60, max=60)
        adapter = build(simulator.address)

        handles = [submitted(adapter, ORDER) for _ in range(6)]

        assert len({handle["task"] for handle in handles}) == 6
        assert adapter.poll(ORDER, handles[-1]) == Pending()

    def test_a_task_that_a_restart_lost_is_waited_for_a_little_and_then_unknown(
        self, simulator: Simulator
    ) -> None:
        handle = submitted(build(simulator.address), ORDER)
        restart(simulator)

        for _ in range(MOST_MISSES):
            answered = build(simulator.address).poll(ORDER, handle)
            assert isinstance(answered, Pending)
            handle = dict(answered.handle or {})

        with pytest.raises(OutcomeUnknown):
            build(simulator.address).poll(ORDER, handle)
        assert charged(simulator) == ["imagine"]

    def test_a_picture_whose_address_has_expired_is_unknown_in_the_end(self, simulator: Simulator) -> None:
        adapter = build(simulator.address)
        handle = submitted(adapter, ORDER)
        simulator.advance(24 * 3600 + 1)

        with pytest.raises(OutcomeUnknown):
            waited(adapter, ORDER, handle)

    def test_a_truncated_grid_is_unknown(self, simulator: Simulator) -> None:
        simulator.script("truncated")

        with pytest.raises(OutcomeUnknown):
            make(build(simulator.address), ORDER)


class TestNovicezk(MidjourneyConformance):
    dialect = "novicezk"
    not_here = frozenset({"modal"})  # the other dialect's


class TestTrueAi(MidjourneyConformance):
    dialect = "trueai"
    detours = (*MidjourneyConformance.detours, "modal")

    def test_a_cancelled_task_needs_another_order(self, simulator: Simulator) -> None:
        simulator.take(min=60, max=60)
        adapter = build(simulator.address)
        handle = submitted(adapter, ORDER)
        path = f"{simulator.address}/mj/task/{handle['task']}/cancel"
        requests.post(path, headers={"mj-api-secret": KEY}, timeout=5).raise_for_status()

        with pytest.raises(TaskFailed):
            adapter.poll(ORDER, handle)
