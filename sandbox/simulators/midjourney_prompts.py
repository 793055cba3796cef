"""Reads a prompt as Midjourney does: the words, then parameters, of which the first of a name wins."""

import re
from dataclasses import dataclass, field
from functools import cached_property

CELL = 1024  # the edge of one of the four pictures of a square grid
STEP = 16
DASHES = re.compile(r"(?:--|—)\s*")
SWITCH = r""
COUNT_TO_1000 = r"1000|\d{1,3}"
PARAMETERS = {
    "ar": r"[1-9]\d{0,2}:[1-9]\d{0,2}",
    "v": r"[1-8](\.\d)?",
    "niji": r"[4-7]",
    "no": r".+",
    "seed": r"\d{1,10}",
    "stylize": COUNT_TO_1000,
    "style": r"raw|cute|scenic|expressive",
    "q": r"\.25|\.5|1|2",
    "chaos": r"100|\d{1,2}",
    "iw": r"[0-3](\.\d+)?",
    "fast": SWITCH,
    "relax": SWITCH,
    "turbo": SWITCH,
    "tile": SWITCH,
}
ALIASES = {"aspect": "ar", "version": "v", "s": "stylize", "quality": "q", "c": "chaos"}
HIGHEST_SEED = 4294967295
DEFAULT_VERSION = "7"


@dataclass(frozen=True)
class Prompt:
    """`problem` is what Midjourney's bot would answer instead of a picture."""

    whole: str
    words: str
    parameters: dict[str, str] = field(hash=False)
    problem: str | None

    @property
    def version(self) -> str:
        return self.parameters.get("v", DEFAULT_VERSION)

    @cached_property
    def cell(self) -> tuple[int, int]:
        """Width and height of one picture: about as many pixels whatever the ratio."""
        width, height = map(int, self.parameters.get("ar", "1:1").split(":"))
        stretch = (width / height) ** 0.5
        return _stepped(CELL * stretch), _stepped(CELL / stretch)


def read(whole: str) -> Prompt:
    words, *given = DASHES.split(whole)
    parameters: dict[str, str] = {}
    problem = None
    for parameter in given:
        name, _, value = (part.strip() for part in parameter.strip().partition(" "))
        known = ALIASES.get(name.lower(), name.lower())
        problem = problem or _problem(known, name, value)
        parameters.setdefault(known, value)
    return Prompt(whole, words.strip(), {} if problem else parameters, problem)


def _problem(known: str, name: str, value: str) -> str | None:
    if known not in PARAMETERS:
        return f"[Invalid parameter] Unrecognized argument(s): `--{name}`"
    too_high = known == "seed" and value.isdecimal() and int(value) > HIGHEST_SEED
    if too_high or not re.fullmatch(PARAMETERS[known], value):
        return f"[Invalid parameter] Invalid value provided for argument `--{name}`: `{value}`"
    return None


def _stepped(length: float) -> int:
    return max(STEP, round(length / STEP) * STEP)
