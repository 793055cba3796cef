"""Takes on a midjourney-proxy's tasks: refuses, queues, charges, answers, and tells where each of them stands."""

from functools import partial
from typing import Any

from flask import Response, request

from sandbox.simulators import faults
from sandbox.simulators.control import Charge, shown
from sandbox.simulators.midjourney_account import Account
from sandbox.simulators.midjourney_cdn import Cdn
from sandbox.simulators.midjourney_changes import Change
from sandbox.simulators.midjourney_hooks import Hooks
from sandbox.simulators.midjourney_prompts import read
from sandbox.simulators.midjourney_replies import accepted, existing, queue_full, refusal, waits_for_modal
from sandbox.simulators.midjourney_tasks import CHARGED_FAILURES, FAILURES, Dialect, Status, Task


class Work:
    def __init__(self, account: Account, cdn: Cdn) -> None:
        self._account = account
        self._cdn = cdn
        self._hooks = Hooks()

    def submit(self, asked: dict[str, Any], wanted: Change, whole: str) -> Response:
        account = self._account
        with account.working():
            # A child repeats its parent's prompt, whose magic words were for the parent.
            outcome = account.next_outcome("" if wanted.parent else whole)
            refused = refusal(outcome, account.dialect, whole)
            if refused is not None:
                return refused
            if outcome == faults.DROP_BEFORE:
                return faults.drop(request.environ)
            if account.is_full():
                return queue_full(account.dialect)
            task = self._begin(asked, wanted, whole, outcome)
            return self._answer(task)

    def _begin(self, asked: dict[str, Any], wanted: Change, whole: str, outcome: str) -> Task:
        account = self._account
        prompt = read(whole)
        task = Task(
            id=account.new_id(),
            action=wanted.action,
            prompt=prompt,
            repeats=account.grids_of(prompt),
            description=wanted.description,
            outcome=outcome,
            submitted=account.clock.now(),
            starts=account.next_start(),
            seconds=account.timing.pick(),
            parent=wanted.parent,
            cell=wanted.cell,
            state=asked.get("state"),
            hook=asked.get("notifyHook"),
            waits_for_modal=outcome == "modal",
        )
        if outcome != "lost":
            account.keep(task)
        if not task.waits_for_modal:
            self.charge(task)
        if task.hook:
            self._hooks.follow(task.hook, partial(self.told, task, _base()))
        return task

    def charge(self, task: Task) -> None:
        """Charge as soon as Midjourney begins, which it does not where it refuses; a child is charged, too."""
        if task.prompt.problem or (task.outcome in FAILURES and task.outcome not in CHARGED_FAILURES):
            return
        width, height = task.prompt.cell
        charge = Charge(
            at=self._account.clock.now(),
            request_id=task.id,
            model=f"midjourney v{task.prompt.version}",
            size=f"{width * 2}x{height * 2}",
            quality=task.action.lower(),
            n=4 if task.is_grid else 1,
            prompt=shown(task.prompt.whole),
            outcome=task.outcome,
        )
        self._account.charges.append(charge)

    def _answer(self, task: Task) -> Response:
        timing = self._account.timing
        match task.outcome:
            case faults.HANG:
                return faults.hang(request.environ, timing.hang_seconds)
            case faults.DROP:
                return faults.drop(request.environ)
            case faults.GARBAGE:
                return faults.garbage()
            case faults.SLOW_BODY:
                return faults.slow_body(self._accepted(task), timing.body_seconds)
            case _:
                return self._accepted(task)

    def _accepted(self, task: Task) -> Response:
        if task.waits_for_modal:
            return waits_for_modal(task.id)
        if task.outcome == "exists":
            told = self.told(task)
            return existing(task.id, told["status"], told["imageUrl"])
        return accepted(task.id, self._account.waiting())

    def told(self, task: Task, base: str | None = None) -> dict[str, Any]:
        now = self._account.clock.now()
        status = task.status(now)
        urls: dict[str, Any] = {}
        if status in {Status.IN_PROGRESS, Status.SUCCESS}:
            done = status == Status.SUCCESS
            partner = self._account.partner and self._account.dialect == Dialect.TRUEAI
            urls = self._cdn.urls(task, base or _base(), done=done, partner=partner)
        return task.told(now, urls, self._account.dialect)


def _base() -> str:
    """The host that the current request came to."""
    return request.host_url.rstrip("/")
