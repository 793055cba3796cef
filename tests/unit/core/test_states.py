import re
from collections.abc import Iterator
from pathlib import Path

from core.states import MOVES, SETTLED, Event, JobState

PAGE = Path(__file__).resolve().parents[3] / "docs" / "job-lifecycle.md"
NOWHERE = "[*]"


def drawn() -> Iterator[tuple[str, str, str]]:
    """(from, event, to) of every arrow of the diagram; an arrow to the end has no event."""
    [diagram] = re.findall(r"```mermaid\nstateDiagram-v2\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for line in diagram.splitlines():
        if "-->" in line:
            ends, _, event = line.partition(":")
            source, _, target = ends.partition("-->")
            yield source.strip(), event.strip(), target.strip()


def test_the_diagram_and_the_table_of_moves_have_the_same_arrows() -> None:
    moves = sorted(
        (source.value, event.value, target.value)
        for event, (sources, target) in MOVES.items()
        for source in sources
    )

    arrows = sorted(arrow for arrow in drawn() if NOWHERE not in arrow)

    assert arrows == moves


def test_the_diagram_begins_where_a_job_is_recorded() -> None:
    beginnings = [arrow for arrow in drawn() if arrow[0] == NOWHERE]

    assert beginnings == [(NOWHERE, Event.RECORDED.value, JobState.QUEUED.value)]


def test_the_diagram_ends_in_the_settled_states_and_nowhere_else() -> None:
    endings = sorted(source for source, _, target in drawn() if target == NOWHERE)

    assert endings == sorted(state.value for state in SETTLED)


def test_nothing_leads_out_of_a_settled_state() -> None:
    left = {source for sources, _ in MOVES.values() for source in sources}

    assert left.isdisjoint(SETTLED)


def test_every_event_but_the_first_is_a_move() -> None:
    assert set(MOVES) == set(Event) - {Event.RECORDED}
