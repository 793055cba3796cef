"""One look at the dashboard, or one action: who it is, what was asked for, and what may be shown."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

from flask import Response, redirect, render_template, request
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from api.dashboard.glass import Glass
from core.bootstrap import Services
from core.states import Role
from core.users import SignedIn

NOTICE = "ops_notice"
NOTICE_SECONDS = 10
LONGEST_WHY = 500
MOST_SECONDS = 3.0
# What each role may, it may with all that the ones before it may.
RANKS = list(Role)
SECTIONS = {
    "Overview": "/ops/",
    "Jobs": "/ops/jobs",
    "Batches": "/ops/batches",
    "Gallery": "/ops/gallery",
    "Providers": "/ops/providers",
    "Workers": "/ops/workers",
    "Keys": "/ops/keys",
    "Money": "/ops/money",
    "Webhooks": "/ops/webhooks",
    "Operations": "/ops/operations",
    "Audit": "/ops/audit",
}


@dataclass(frozen=True, slots=True)
class Visit:
    """What a view is given."""

    services: Services
    glass: Glass
    user: SignedIn

    @property
    def query(self) -> MultiDict[str, str]:
        """What the address asks for: the whole view is in there."""
        return request.args

    @property
    def form(self) -> MultiDict[str, str]:
        """What an action was given."""
        return request.form

    @property
    def why(self) -> str | None:
        """The reason that was given for an action."""
        return self.form.get("why", "").strip()[:LONGEST_WHY] or None

    def reading(self) -> AbstractContextManager[Session]:
        """For what a page shows: a statement that takes too long is given up."""
        return self.services.database.reading(seconds=MOST_SECONDS)

    def may(self, role: Role | str) -> bool:
        """Whether this user may do what takes that role."""
        return RANKS.index(self.user.role) >= RANKS.index(Role(role))

    @property
    def sees_prompts(self) -> bool:
        """Whether prompts and pictures may be shown to this user."""
        return self.may(Role.OPERATOR) or not self.services.settings.hide_prompts

    def render(self, template: str, *, title: str, **values: object) -> str:
        """A whole page. `title` is its section's name, or begins with it: "Jobs", "Jobs · 0193…"."""
        section = title.partition(" · ")[0]
        return render_template(
            f"ops/{template}",
            visit=self,
            title=title,
            section=section,
            sections=SECTIONS,
            now=datetime.now(UTC),
            notice=request.cookies.get(NOTICE),
            theme=request.cookies.get("ops_theme", "auto"),
            times=request.cookies.get("ops_times", "relative"),
            **values,
        )

    def done(self, said: str, *, go_to: str = "/ops/") -> Response:
        """After an action: back to the page it came from, which shows for a while what was `said`."""
        back = self.form.get("back", go_to)
        return self.led(back if is_ours(back) else go_to, said)

    def led(self, where: str, said: str) -> Response:
        """To a page of ours, which alone shows for a while what was `said`."""
        response = redirect(where, code=303)
        assert isinstance(response, Response)
        page = urlsplit(where).path
        response.set_cookie(
            NOTICE, quote(said), max_age=NOTICE_SECONDS, path=page, httponly=True, samesite="Strict"
        )
        return response


def is_ours(address: str) -> bool:
    """A path of the dashboard: never a way to another host, or to the next header."""
    return address.isprintable() and (address == "/ops" or address.startswith(("/ops/", "/ops?")))
