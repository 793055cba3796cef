"""Serves a simulator's control: a page for people, whose forms need no script, and the same as JSON."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, jsonify, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from sandbox.simulators.control import Control, ControlError

ROWS_SHOWN = 100
POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"


def create_panel(control: Control) -> Blueprint:
    """All addresses of the control; they want no key, since a simulator listens on loopback only."""
    panel = Blueprint("control", __name__, template_folder="templates")
    panel.add_url_rule("/", "page", lambda: _page(control))
    panel.add_url_rule("/control/state", "state", lambda: jsonify(control.state()))
    panel.add_url_rule("/control/charges", "charges", lambda: jsonify(_charges(control)))
    panel.add_url_rule("/control/latency", "latency", lambda: _set_latency(control), methods=["PUT", "POST"])
    panel.add_url_rule("/control/clock", "clock", lambda: _advance(control), methods=["PUT", "POST"])
    panel.add_url_rule("/control/outcomes", "outcomes", lambda: _schedule(control), methods=["POST"])
    panel.add_url_rule("/control/reset", "reset", lambda: _reset(control), methods=["POST"])
    panel.add_url_rule("/control", "delete", lambda: _reset(control), methods=["DELETE"])
    panel.register_error_handler(ControlError, _refuse)
    return panel


def _page(control: Control) -> Response:
    newest = [
        (datetime.fromtimestamp(charge.at, UTC).strftime("%H:%M:%S"), charge)
        for charge in reversed(control.charges[-ROWS_SHOWN:])
    ]
    page = Response(render_template("control.html", state=control.state(), newest=newest))
    page.headers["Content-Security-Policy"] = POLICY
    page.headers["Cache-Control"] = "no-store"
    return page


def _charges(control: Control) -> list[dict[str, Any]]:
    return [asdict(charge) for charge in control.charges]


def _set_latency(control: Control) -> AnyResponse:
    wanted = _body()
    both = wanted.get("seconds")
    control.timing.set(
        minimum=wanted.get("min", both),
        maximum=wanted.get("max", both),
        body_seconds=wanted.get("body_seconds"),
        hang_seconds=wanted.get("hang_seconds"),
    )
    return _answer(control)


def _advance(control: Control) -> AnyResponse:
    control.clock.advance(_body().get("advance_seconds", 0))
    return _answer(control)


def _schedule(control: Control) -> AnyResponse:
    wanted = _body()
    entries = wanted.get("outcomes", [wanted])
    if not isinstance(entries, list):
        raise ControlError("outcomes must be a list")
    control.schedule([_repeated(entry) for entry in entries])
    return _answer(control)


def _repeated(entry: Any) -> tuple[str, int]:
    match entry:
        case str():
            return entry, 1
        case {"outcome": str(name), "times": int() as times}:
            return name, times
        case {"outcome": str(name)} if "times" not in entry:
            return name, 1
        case _:
            raise ControlError('an outcome is a name, or {"outcome": name, "times": number}')


def _reset(control: Control) -> AnyResponse:
    control.reset()
    return _answer(control)


def _body() -> dict[str, Any]:
    """Read a form, whose empty fields were left alone, or JSON."""
    if _from_the_page():
        return {name: _number(value) for name, value in request.form.items() if value.strip()}
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise ControlError("the body must be a JSON object")
    return body


def _number(value: str) -> float | str:
    try:
        return int(value) if value.isdecimal() else float(value)
    except ValueError:
        return value


def _answer(control: Control) -> AnyResponse:
    return redirect("/", 303) if _from_the_page() else jsonify(control.state())


def _from_the_page() -> bool:
    return request.mimetype == "application/x-www-form-urlencoded"


def _refuse(problem: ControlError) -> tuple[Response, int]:
    return jsonify({"error": str(problem)}), 400
