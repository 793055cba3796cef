"""Keeps the BFL simulator's tasks: what each was asked for, when it is ready, and how often it was polled."""

import random
import uuid
from dataclasses import dataclass, field
from typing import Any

from flask import jsonify, request
from flask.typing import ResponseReturnValue

from sandbox.simulators.bfl_requests import FluxRequest, Model, cost
from sandbox.simulators.control import Control, ControlError
from sandbox.simulators.pictures import Picture

MOST_ACTIVE = 24
KEPT_SECONDS = 24 * 3600
CREDITS = 1_000_000.0
REQUEST_MODERATED, CONTENT_MODERATED = "request_moderated", "content_moderated"
# Ends for which nothing is charged.
FREE = (REQUEST_MODERATED, CONTENT_MODERATED, "error", "error_422", "error_503")


@dataclass(kw_only=True)
class Task:
    """One picture to make. Times are seconds since 1970 on the simulator's clock."""

    model_name: str
    model: Model
    asked: FluxRequest
    outcome: str
    started: float
    ready_at: float
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    polls: int = 0
    downloads: int = 0
    signed_until: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given = self.asked.seed
        self.seed = random.getrandbits(31) if given is None else given

    @property
    def cost(self) -> float:
        return cost(self.model, self.asked.pixels)

    @property
    def format(self) -> str:
        return self.asked.output_format or "jpeg"

    @property
    def picture(self) -> Picture:
        width, height = self.asked.pixels
        return Picture(
            prompt=self.asked.prompt or "",
            index=self.seed,
            width=width,
            height=height,
            format=self.asked.output_format or "jpeg",
        )

    def progress(self, now: float) -> float:
        whole = self.ready_at - self.started
        return round(min(1.0, (now - self.started) / whole), 2) if whole else 1.0


class Account(Control):
    """A simulator's control, with the account's tasks and credits."""

    def __init__(self, provider: str, known_outcomes: tuple[str, ...]) -> None:
        super().__init__(provider, known_outcomes)
        self.tasks: dict[str, Task] = {}
        self._active: list[Task] = []
        self.credits = CREDITS

    def reset(self) -> None:
        super().reset()
        self.tasks.clear()
        self._active.clear()
        self.credits = CREDITS

    def start(self, task: Task) -> None:
        while self.tasks and self._oldest.ready_at + KEPT_SECONDS < task.started:
            del self.tasks[self._oldest.id]
        self.tasks[task.id] = task
        self._active.append(task)
        if task.outcome not in FREE:
            self.credits -= task.cost

    def count_active(self) -> int:
        now = self.clock.now()
        self._active = [task for task in self._active if task.ready_at > now]
        return len(self._active)

    @property
    def _oldest(self) -> Task:
        return next(iter(self.tasks.values()))

    def state(self) -> dict[str, Any]:
        return {**super().state(), "credits": self.credits, "active_tasks": self.count_active()}

    def list_tasks(self) -> ResponseReturnValue:
        facts = ("id", "model_name", "outcome", "polls", "downloads", "seed", "cost")
        return jsonify([{name: getattr(task, name) for name in facts} for task in self.tasks.values()])

    def set_credits(self) -> ResponseReturnValue:
        wanted = request.get_json(silent=True)
        if not isinstance(wanted, dict) or not isinstance(wanted.get("credits"), int | float):
            raise ControlError('the body must be {"credits": number}')
        self.credits = float(wanted["credits"])
        return jsonify(self.state())
