"""What is asked of a grid that is there, in the words of each dialect: upscale, variation, reroll."""

import re
from dataclasses import dataclass, replace
from typing import Self

from sandbox.simulators.midjourney_tasks import Task

LETTERS = {"U": "UPSCALE", "V": "VARIATION", "R": "REROLL"}
WORDS = {"upsample": "UPSCALE", "variation": "VARIATION", "reroll": "REROLL"}
CUSTOM_ID = re.compile(r"MJ::JOB::(upsample|variation|reroll)::([0-4])::")


@dataclass(frozen=True)
class Change:
    """The action that a new task does; `cell` is 1 to 4, or 0 where the whole grid is meant."""

    action: str
    description: str = ""
    cell: int = 0
    parent: Task | None = None

    def of(self, parent: Task) -> Self:
        letter = self.action[0]
        index = self.cell or ""
        return replace(self, parent=parent, description=f"/up {parent.id} {letter}{index}")


def change_of(action: object, index: object) -> Change | None:
    """A change as novicezk names it; None where it makes no sense."""
    if action == "REROLL":
        return Change("REROLL")
    if action in {"UPSCALE", "VARIATION"} and index in {1, 2, 3, 4}:
        return Change(str(action), cell=int(str(index)))
    return None


def parse_simple(content: object) -> tuple[str, Change] | None:
    """`<task> U2`, as a task's id and its change."""
    match = re.fullmatch(r"(\d+) (?:([UV])([1-4])|(R))", str(content))
    if match is None:
        return None
    return match[1], Change(LETTERS[match[2] or match[4]], cell=int(match[3] or 0))


def parse_custom_id(custom_id: str) -> Change | None:
    match = CUSTOM_ID.match(custom_id)
    return Change(WORDS[match[1]], cell=int(match[2])) if match else None
