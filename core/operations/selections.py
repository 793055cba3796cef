"""Which jobs an operation is for: some that were picked, or all that a search found when it was ordered."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.job_ids import new_job_id
from core.orm import Job
from core.searches import search as searches
from core.searches.matches import COLUMNS, Candidates, Look, candidates, guard, look
from core.searches.search import Search
from core.states import JobState

FIRST = UUID(int=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Jobs with these `ids`; where there are none, what `search` finds among jobs that came before `newest`."""

    ids: tuple[UUID, ...] = ()
    search: Search = field(default_factory=Search)
    newest: UUID = field(default_factory=new_job_id)

    def to_json(self) -> dict[str, Any]:
        if self.ids:
            return {"ids": [str(job_id) for job_id in self.ids]}
        return {"query": searches.to_query(self.search), "newest": str(self.newest)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Selection":
        if ids := stored.get("ids"):
            return cls(ids=tuple(map(UUID, ids)))
        return cls(search=searches.from_query(stored["query"]), newest=UUID(stored["newest"]))

    def look(self, states: frozenset[JobState]) -> tuple[Candidates, Search]:
        """What to look at, and what of it is meant: only jobs in these states."""
        wanted = self._within(states)
        if self.ids:
            return Candidates(select(*COLUMNS).where(Job.id.in_(self.ids)).subquery(), None), wanted
        return candidates(wanted, before=self.newest), wanted

    def portion(self, session: Session, states: frozenset[JobState], *, after: UUID | None, most: int) -> Look:
        """So many of them, oldest first, that come after a job."""
        if self.ids:
            rest = sorted(job_id for job_id in self.ids if after is None or job_id > after)
            return Look(rest[:most], rest[most - 1] if len(rest) > most else None)
        guard(session)
        return look(session, self._within(states), before=self.newest, after=after or FIRST, most=most)

    def suits(self, states: frozenset[JobState]) -> bool:
        """Whether the search is for any job in these states."""
        return not self.search.states or not self.search.states.isdisjoint(states)

    def _within(self, states: frozenset[JobState]) -> Search:
        return replace(self.search, states=self.search.states & states or states)
