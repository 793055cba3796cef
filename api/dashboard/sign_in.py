"""/ops/sign-in: a name and a password become a cookie; guessing is slow."""

from uuid import NAMESPACE_URL, uuid5

import gevent
from flask import Response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from api.dashboard.access import COOKIE, ForeignForm, is_from_us
from api.dashboard.visits import Visit, is_ours
from core import audit, users
from core.bootstrap import Services
from core.orm import User
from core.rates import Limit

# Tries a minute: for one name from wherever, and from one address for whomever.
TRIES_FOR_NAME = 5
TRIES_FROM_ADDRESS = 20
SIGNED_IN_SECONDS = 12 * 3600


def form() -> ResponseReturnValue:
    return _page()


def sign_in(services: Services) -> ResponseReturnValue:
    if not is_from_us(request):
        raise ForeignForm
    name, password = request.form.get("name", ""), request.form.get("password", "")
    if not _may_try(services, name):
        return _page("Too many tries. Wait a minute."), 429
    user = _authenticated(services, name, password)
    if user is None:
        return _page("This name and this password do not belong together."), 403
    with services.database.transaction() as session:
        signed_in = users.sign_in(session, user, seconds=SIGNED_IN_SECONDS)
        audit.record(session, actor=user.name, action="user.sign_in", subject=f"user {user.name}")
    response = _go(request.form.get("to", ""))
    response.set_cookie(
        COOKIE,
        signed_in.token,
        max_age=SIGNED_IN_SECONDS,
        path="/ops",
        httponly=True,
        samesite="Lax",  # a link from a colleague leads in; every action wants its form besides
        secure=services.settings.public_url.startswith("https://"),
    )
    return response


def sign_out(visit: Visit) -> ResponseReturnValue:
    with visit.services.database.transaction() as session:
        users.sign_out(session, request.cookies[COOKIE])
    response = _go("/ops/sign-in")
    response.delete_cookie(COOKIE, path="/ops")
    return response


def _may_try(services: Services, name: str) -> bool:
    tries = {
        f"name {name.casefold()}": TRIES_FOR_NAME,
        f"address {request.remote_addr}": TRIES_FROM_ADDRESS,
    }
    standings = [
        services.rates.take(uuid5(NAMESPACE_URL, f"sign-in {what}"), {"tries": Limit(most, 1)})
        for what, most in tries.items()
    ]
    return all(standing.had_room for each in standings for standing in each.values())


def _authenticated(services: Services, name: str, password: str) -> User | None:
    with services.database.single() as session:
        user = users.named(session, name)
    # Made to take long, of the processor: not from those who wait for pictures.
    fits = gevent.get_hub().threadpool.apply(users.is_password, (user, password))
    return user if fits else None


def _page(fault: str = "") -> str:
    wanted = request.values.get("to", "")
    return render_template(
        "ops/sign_in.html",
        fault=fault,
        to=wanted if is_ours(wanted) else "/ops/",
        name=request.form.get("name", ""),
        theme=request.cookies.get("ops_theme", "auto"),
    )


def _go(where: str) -> Response:
    response = redirect(where if is_ours(where) else "/ops/", code=303)
    assert isinstance(response, Response)
    return response
