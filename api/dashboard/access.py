"""Who may come in: sign-ins by cookie, forms that only our own pages can send, and what a browser may load."""

import hmac
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import quote

from flask import Request, Response, redirect, request
from flask.typing import ResponseReturnValue

from api.dashboard.glass import Glass
from api.dashboard.visits import NOTICE, Visit
from core import users
from core.bootstrap import Services
from core.states import Role
from core.users import SignedIn

COOKIE = "ops_session"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}
# What a browser says of a request that one of our own pages made, or its user by hand.
OUR_OWN = {"same-origin", "none"}

View = Callable[..., ResponseReturnValue]


class NotSignedIn(Exception):
    """Nobody, or no longer."""


class NotAllowed(Exception):
    """The user's role does not go that far."""


class ForeignForm(Exception):
    """A form that was not on a page of ours."""


class Door:
    """Lets users in, and each as far as the role goes."""

    def __init__(self, services: Services, glass: Glass) -> None:
        self._services = services
        self._glass = glass

    def page(self, view: View) -> View:
        """For whoever is signed in."""

        @wraps(view)
        def guarded(**arguments: Any) -> ResponseReturnValue:
            return view(self._visit(), **arguments)

        return guarded

    def action(self, role: Role, view: View) -> View:
        """For users who may, by a form of ours."""

        @wraps(view)
        def guarded(**arguments: Any) -> ResponseReturnValue:
            visit = self._visit()
            refuse_foreign(request, visit.user.form_token)
            if not visit.may(role):
                raise NotAllowed(role)
            try:
                return view(visit, **arguments)
            finally:
                self._glass.forget()

        return guarded

    def _visit(self) -> Visit:
        if NOTICE in request.cookies:  # something was done a moment ago, perhaps by way of another process
            self._glass.forget()
        return Visit(self._services, self._glass, self._user())

    def _user(self) -> SignedIn:
        token = request.cookies.get(COOKIE)
        if not token:
            raise NotSignedIn
        with self._services.database.single() as session:
            user = users.find(session, token)
        if user is None:
            raise NotSignedIn
        return user


def refuse_foreign(asked: Request, form_token: str) -> None:
    """Raises ForeignForm."""
    given = asked.form.get("form_token", "")
    if not hmac.compare_digest(given.encode(), form_token.encode()) or not is_from_us(asked):
        raise ForeignForm


def is_from_us(asked: Request) -> bool:
    """As far as the browser says: without TLS it tells the origin of its page alone, and programs tell nothing."""
    if site := asked.headers.get("Sec-Fetch-Site"):
        return site in OUR_OWN
    origin = asked.headers.get("Origin")
    return origin is None or origin.partition("://")[2] == asked.host


def to_sign_in() -> Response:
    """And back afterwards."""
    wanted = request.full_path.rstrip("?")
    response = redirect(f"/ops/sign-in?to={quote(wanted)}", code=303)
    assert isinstance(response, Response)
    return response


def protect(response: Response) -> Response:
    """What every answer of the dashboard says to browsers."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response
