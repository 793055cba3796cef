"""What an operator or a test sets and reads of a midjourney-proxy: its dialect, its account, its tasks."""

import secrets
from dataclasses import dataclass, field
from typing import Any

from sandbox.simulators.control import Control, ControlError
from sandbox.simulators.midjourney_prompts import Prompt
from sandbox.simulators.midjourney_tasks import GOING_ON, Dialect, Task

CORE_SIZE, QUEUE_SIZE = 3, 10  # novicezk's defaults
MOST_TASKS = 20_000


@dataclass
class Account(Control):
    """One Discord account behind the proxy: `core_size` tasks at once, `queue_size` more that wait."""

    built_as: Dialect = Dialect.NOVICEZK
    dialect: Dialect = Dialect.NOVICEZK
    partner: bool = False
    core_size: int = CORE_SIZE
    queue_size: int = QUEUE_SIZE
    tasks: dict[str, Task] = field(default_factory=dict)
    live: list[Task] = field(default_factory=list)

    def reset(self) -> None:
        super().reset()
        self.dialect, self.partner = self.built_as, False
        self.core_size, self.queue_size = CORE_SIZE, QUEUE_SIZE
        self.restart()

    def restart(self) -> None:
        """Forget the tasks, as a proxy does whose store is its memory. What they cost stays spent."""
        self.tasks.clear()
        self.live.clear()

    def set(self, wanted: dict[str, Any]) -> None:
        """Take what is given and leave the rest; nothing changes when one of them makes no sense."""
        merged = {name: getattr(self, name) for name in ("dialect", "partner", "core_size", "queue_size")} | wanted
        match merged:
            case {
                "dialect": str(dialect),
                "partner": bool(),
                "core_size": int(core),
                "queue_size": int(queue),
            } if (
                len(merged) == 4 and dialect in set(Dialect) and core >= 1 and queue >= 0  # noqa: PLR2004 - no others
            ):
                vars(self).update(merged | {"dialect": Dialect(dialect)})
            case _:
                raise ControlError(
                    "an account has dialect (novicezk or trueai), partner, core_size and queue_size"
                )

    def new_id(self) -> str:
        """Milliseconds since 1970 and three digits at random."""
        while True:
            task_id = f"{round(self.clock.now() * 1000)}{secrets.randbelow(1000):03}"
            if task_id not in self.tasks:
                return task_id

    def grids_of(self, prompt: Prompt) -> int:
        """How often these words were imagined before."""
        return sum(task.parent is None and task.prompt.words == prompt.words for task in self.tasks.values())

    def waiting(self) -> int:
        """How many tasks wait for one of those at work to end."""
        return max(0, len(self._unfinished()) - self.core_size)

    def is_full(self) -> bool:
        return len(self._unfinished()) >= self.core_size + self.queue_size

    def next_start(self) -> float:
        """When a task that came now would be begun: first come, first served."""
        ends = sorted(task.ends for task in self._unfinished())
        return ends[-self.core_size] if len(ends) >= self.core_size else self.clock.now()

    def keep(self, task: Task) -> None:
        self.tasks[task.id] = task
        self.live.append(task)
        while len(self.tasks) > MOST_TASKS:
            del self.tasks[next(iter(self.tasks))]

    def state(self) -> dict[str, Any]:
        children = sum(task.parent is not None for task in self.tasks.values())
        return super().state() | {
            "dialect": self.dialect,
            "partner": self.partner,
            "core_size": self.core_size,
            "queue_size": self.queue_size,
            "parent_tasks": len(self.tasks) - children,
            "child_tasks": children,
        }

    def _unfinished(self) -> list[Task]:
        now = self.clock.now()
        self.live = [task for task in self.live if task.status(now) in GOING_ON]
        return [task for task in self.live if not task.waits_for_modal]
