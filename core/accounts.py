"""Keys as operators look at them: what each may, where its budget stands, and what came of its jobs lately."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from core.money import USED_THIS_MONTH, USED_TODAY
from core.orm import ApiKey, Budget, History
from core.states import Grain

# How far back `Account` looks, and how many of them a page has.
LATELY = timedelta(hours=24)
MOST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A key with its budget; of LATELY its jobs, those of them that failed or were refused, and dollars."""

    key: ApiKey
    budget: Budget
    used_today: Decimal
    used_this_month: Decimal
    jobs: int
    completed: int
    failed: int
    refused: int
    charged: Decimal

    @property
    def refusal_rate(self) -> float | None:
        """Of the jobs that ended, the share whose prompt was refused."""
        ended = self.completed + self.failed
        return self.refused / ended if ended else None


@dataclass(frozen=True, slots=True)
class Choices:
    """Names of keys by their ids; whether there are `more` than a list is good for."""

    names: Mapping[UUID, str]
    more: bool


_IN_FORCE_FIRST = (ApiKey.revoked_at.is_not(None), func.lower(ApiKey.name), ApiKey.id)
_FIGURES = {
    "jobs": History.recorded,
    "completed": History.completed,
    "failed": History.failed,
    "refused": History.refused,
    "charged": History.charged,
}
_LATELY = (
    select(History.key_id, *(func.sum(column).label(name) for name, column in _FIGURES.items()))
    .where(History.grain == Grain.HOUR, History.at >= func.now() - LATELY)
    .group_by(History.key_id)
    .subquery("lately")
)


def every(session: Session, *, named: str = "") -> list[Account]:
    """Keys in force first, then by name; at most MOST, those whose name has `named` in it."""
    found = _accounts().where(ApiKey.name.icontains(named, autoescape=True)) if named else _accounts()
    return _read(session, found.order_by(*_IN_FORCE_FIRST).limit(MOST))


def one(session: Session, key_id: UUID) -> Account | None:
    found = _read(session, _accounts().where(ApiKey.id == key_id))
    return found[0] if found else None


def choices(session: Session, chosen: UUID | None = None) -> Choices:
    """For lists to choose from: keys in force first, at most MOST, and the one that is chosen."""
    order = ((ApiKey.id == chosen).desc(), *_IN_FORCE_FIRST)
    rows = session.execute(select(ApiKey.id, ApiKey.name).order_by(*order).limit(MOST + 1)).all()
    return Choices(names=dict(rows[:MOST]), more=len(rows) > MOST)


def names(session: Session, key_ids: Collection[UUID]) -> dict[UUID, str]:
    """What these keys are called."""
    return dict(session.execute(select(ApiKey.id, ApiKey.name).where(ApiKey.id.in_(key_ids))).all())


def _accounts() -> Select[Any]:
    figures = (func.coalesce(_LATELY.c[name], 0).label(name) for name in _FIGURES)
    return (
        select(ApiKey, Budget, USED_TODAY.label("used_today"), USED_THIS_MONTH.label("used_this_month"), *figures)
        .join(Budget, Budget.key_id == ApiKey.id)
        .outerjoin(_LATELY, _LATELY.c.key_id == ApiKey.id)
    )


def _read(session: Session, found: Select[Any]) -> list[Account]:
    return [
        Account(
            key=row.ApiKey,
            budget=row.Budget,
            used_today=row.used_today,
            used_this_month=row.used_this_month,
            **{name: getattr(row, name) for name in _FIGURES},
        )
        for row in session.execute(found)
    ]
