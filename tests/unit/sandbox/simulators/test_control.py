import time

import pytest

from sandbox.simulators.control import Control, ControlError, shown


def make_control() -> Control:
    return Control("openai", ("success", "drop", "server_error"))


def test_scripted_outcomes_are_taken_in_order_and_then_all_is_success() -> None:
    control = make_control()

    control.schedule([("drop", 2), ("server_error", 1)])

    taken = [control.next_outcome("a fox") for _ in range(4)]
    assert taken == ["drop", "drop", "server_error", "success"]


def test_magic_words_win_over_the_script_and_leave_it_alone() -> None:
    control = make_control()
    control.schedule([("server_error", 1)])

    outcome = control.next_outcome("a fox [[nonsense]] [[drop]]")

    assert outcome == "drop"
    assert list(control.script) == ["server_error"]


@pytest.mark.parametrize("entry", [("nonsense", 1), ("drop", 0), ("drop", 10_001)])
def test_a_script_with_one_wrong_entry_schedules_nothing(entry: tuple[str, int]) -> None:
    control = make_control()

    with pytest.raises(ControlError):
        control.schedule([("drop", 1), entry])

    assert not control.script


def test_the_clock_runs_ahead_by_what_it_was_advanced() -> None:
    control = make_control()

    control.clock.advance(3600)

    assert control.clock.now() - time.time() == pytest.approx(3600, abs=5)


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf"), True])
def test_no_duration_is_negative_endless_or_no_number(seconds: float) -> None:
    control = make_control()

    with pytest.raises(ControlError):
        control.clock.advance(seconds)


def test_a_latency_that_makes_no_sense_changes_nothing() -> None:
    control = make_control()
    control.timing.set(minimum=1, maximum=2)

    with pytest.raises(ControlError):
        control.timing.set(minimum=3)

    assert (control.timing.minimum, control.timing.maximum) == (1, 2)


def test_requests_at_work_are_counted_with_their_high_water_mark() -> None:
    control = make_control()

    with control.working(), control.working():
        at_work = control.in_flight

    assert (at_work, control.in_flight, control.most_in_flight, control.requests) == (2, 0, 2, 2)


def test_a_prompt_is_shown_short_and_printable() -> None:
    prompt = "\ud800" + "x" * 999

    text = shown(prompt)

    assert len(text) == 120
    assert text.startswith("?x")
