"""What was found at one place, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """`broken` lets callers down, now or soon; a `warning` can wait."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    verdict: Verdict
    subject: str
    says: str
    remedy: str = ""

    def __str__(self) -> str:
        line = f"{self.verdict:<8} {self.subject}: {self.says}"
        return f"{line}\n{'':<8} -> {self.remedy}" if self.remedy else line


def ok(subject: str, says: str) -> Finding:
    return Finding(Verdict.OK, subject, says)


def warning(subject: str, says: str, remedy: str) -> Finding:
    return Finding(Verdict.WARNING, subject, says, remedy)


def broken(subject: str, says: str, remedy: str) -> Finding:
    return Finding(Verdict.BROKEN, subject, says, remedy)
