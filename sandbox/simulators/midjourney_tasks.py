"""One task of a midjourney-proxy: where it stands at a given moment, and how it is told in each dialect."""

import uuid
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sandbox.simulators.faults import EMPTY
from sandbox.simulators.midjourney_prompts import Prompt

CHANNEL = "1090000000000000001"
QUEUED, SENT = 0.05, 0.1  # the shares of its time after which a task is submitted, and in progress
LINK, PRIMARY = 2, 1
FAILURES = {
    "invalid_parameter": "[Invalid parameter] Unrecognized argument(s): `--foo`",
    "banned_prompt": "[Banned prompt detected] The word or phrase in question has been found to be inappropriate.",
    "image_denied": "Image denied",
    "failed_to_process": "Failed to process your command",
    "job_queued": "[Job queued] You have reached the maximum allowed number of concurrent jobs.",
    "no_account_later": "无可用的账号实例",
    "timeout": "任务超时",
}
# These two fail after Midjourney has worked; the others never reached it.
CHARGED_FAILURES = {"image_denied", "timeout"}


class Dialect(StrEnum):
    NOVICEZK = "novicezk"
    TRUEAI = "trueai"


class Status(StrEnum):
    NOT_START = "NOT_START"
    SUBMITTED = "SUBMITTED"
    MODAL = "MODAL"
    IN_PROGRESS = "IN_PROGRESS"
    FAILURE = "FAILURE"
    SUCCESS = "SUCCESS"
    CANCEL = "CANCEL"


GOING_ON = {Status.NOT_START, Status.SUBMITTED, Status.IN_PROGRESS, Status.MODAL}


@dataclass(eq=False)
class Task:
    """Times are seconds since 1970; `cell` is the picture that was chosen, 1 to 4, or 0 for all.

    `repeats` counts earlier grids of the same words.
    """

    id: str
    action: str
    prompt: Prompt
    description: str
    outcome: str
    submitted: float
    starts: float
    seconds: float
    parent: "Task | None" = None
    cell: int = 0
    repeats: int = 0
    state: str | None = None
    hook: str | None = None
    waits_for_modal: bool = False
    cancelled_at: float | None = None
    job: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def ends(self) -> float:
        return self.starts + self.seconds if self.cancelled_at is None else self.cancelled_at

    @property
    def fail_reason(self) -> str | None:
        return FAILURES.get(self.outcome) or self.prompt.problem

    @property
    def is_grid(self) -> bool:
        return self.action != "UPSCALE"

    @property
    def seed(self) -> str:
        return self.prompt.parameters.get("seed", str(int(self.id) % 4294967296))

    def share(self, now: float) -> float:
        return min(1.0, (now - self.starts) / self.seconds) if self.seconds else float(now >= self.starts)

    def status(self, now: float) -> Status:
        if self.cancelled_at is not None:
            return Status.CANCEL
        if self.waits_for_modal:
            return Status.MODAL
        share = self.share(now)
        if share >= 1:
            return Status.FAILURE if self.fail_reason else Status.SUCCESS
        if share >= SENT:
            return Status.IN_PROGRESS
        return Status.SUBMITTED if share >= QUEUED else Status.NOT_START

    def told(self, now: float, urls: dict[str, Any], dialect: Dialect) -> dict[str, Any]:
        """The task as JSON; `urls` has what the dialect shows of pictures: imageUrl, imageUrls, thumbnailUrl."""
        status = self.status(now)
        plain = {
            "id": self.id,
            "action": self.action,
            "status": status,
            "prompt": self.prompt.whole,
            "promptEn": self.prompt.whole,
            "description": self.description,
            "state": self.state,
            "submitTime": round(self.submitted * 1000),
            "startTime": round(self.starts * 1000) if now >= self.starts else None,
            "finishTime": round(self.ends * 1000) if now >= self.ends else None,
            "progress": self._progress(status, now),
            "failReason": self.fail_reason if status == Status.FAILURE else None,
            "properties": self._properties(status),
            "imageUrl": None if self.outcome == EMPTY else urls.get("imageUrl"),
        }
        return plain if dialect == Dialect.NOVICEZK else {**plain, **self._more(status), **urls, **_picture(plain)}

    def _progress(self, status: Status, now: float) -> str:
        match status:
            case Status.SUCCESS:
                return "100%"
            case Status.IN_PROGRESS:
                return f"{int(self.share(now) * 100)}%"
            case Status.FAILURE:
                return ""
            case _:
                return "0%"

    def _properties(self, status: Status) -> dict[str, Any]:
        known = {
            "notifyHook": self.hook,
            "discordInstanceId": CHANNEL,
            "flags": 0,
            "nonce": str(int(self.id) * 7),
            "progressMessageId": f"11{self.id}",
        }
        if status != Status.SUCCESS:
            return known
        return {**known, "finalPrompt": self.prompt.whole, "messageId": f"12{self.id}", "messageHash": self.job}

    def _more(self, status: Status) -> dict[str, Any]:
        width, height = self.prompt.cell
        return {
            "parentId": self.parent.id if self.parent else None,
            "botType": "MID_JOURNEY",
            "promptFull": self.prompt.whole,
            "buttons": self.buttons() if status == Status.SUCCESS else [],
            "seed": self.seed if status == Status.SUCCESS else None,
            "mode": "FAST",
            "jobId": self.job,
            "version": f"v {self.prompt.version}",
            "width": width * 2,
            "height": height * 2,
            "contentType": "image/png",
        }

    def buttons(self) -> list[dict[str, Any]]:
        if not self.is_grid:
            return []
        cells = [
            (word, letter, cell)
            for word, letter in (("upsample", "U"), ("variation", "V"))
            for cell in range(1, 5)
        ]
        chosen = [
            _button(f"MJ::JOB::{word}::{cell}::{self.job}", f"{letter}{cell}") for word, letter, cell in cells
        ]
        return [*chosen[:4], _button(f"MJ::JOB::reroll::0::{self.job}::SOLO", "", "🔄"), *chosen[4:]]


def _picture(plain: dict[str, Any]) -> dict[str, Any]:
    """A task without a picture has none in any of its fields."""
    return {} if plain["imageUrl"] else {"imageUrl": None, "imageUrls": [], "thumbnailUrl": None}


def _button(custom_id: str, label: str, emoji: str = "") -> dict[str, Any]:
    return {"customId": custom_id, "emoji": emoji, "label": label, "style": LINK, "type": 2}
