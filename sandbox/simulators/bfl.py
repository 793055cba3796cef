"""Simulates Black Forest Labs' FLUX API, its tasks and its delivery of pictures; it never dedupes."""

from typing import Any

from flask import Flask, Response, jsonify, request
from gevent import get_hub
from werkzeug.exceptions import MethodNotAllowed, NotFound

from sandbox.simulators import bfl_polls, faults
from sandbox.simulators.bfl_errors import (
    REFUSALS,
    ApiError,
    insufficient_credits,
    missing_key,
    too_many_tasks,
    wrong_key,
)
from sandbox.simulators.bfl_requests import MODELS, FluxRequest, cost, megapixels, parse
from sandbox.simulators.bfl_tasks import FREE, MOST_ACTIVE, REQUEST_MODERATED, Account, Task
from sandbox.simulators.bfl_webhooks import call_back
from sandbox.simulators.control import SUCCESS, Charge, shown
from sandbox.simulators.openai_blobs import expired
from sandbox.simulators.panel import create_panel
from sandbox.simulators.pictures import Picture, draw

OUTCOMES = (SUCCESS, *REFUSALS, *bfl_polls.OUTCOMES, *faults.FAULTS)


def create_app(api_key: str | None) -> Flask:
    """Build a simulator that takes this key, or any key at all where there is none."""
    app = Flask(__name__)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the default provider has it
    account = Account("bfl", OUTCOMES)
    api = BlackForestLabs(account, api_key)
    panel = create_panel(account)
    panel.add_url_rule("/control/tasks", "tasks", account.list_tasks)
    panel.add_url_rule("/control/credits", "credits", account.set_credits, methods=["PUT"])
    app.register_blueprint(panel)
    app.before_request(api.authenticate)
    app.add_url_rule("/v1/get_result", view_func=api.get_result)
    app.add_url_rule("/v1/credits", view_func=api.show_credits)
    for name in MODELS:
        app.add_url_rule(f"/v1/{name}", name, api.submit, methods=["POST"], defaults={"name": name})
    app.add_url_rule(f"{bfl_polls.FOLDER}/<task_id>/<_>", view_func=api.download)
    app.register_error_handler(ApiError, ApiError.response)
    app.register_error_handler(NotFound, lambda _: ApiError(404, "Not Found").response())
    app.register_error_handler(MethodNotAllowed, lambda _: ApiError(405, "Method Not Allowed").response())
    return app


class BlackForestLabs:
    def __init__(self, account: Account, api_key: str | None) -> None:
        self._account = account
        self._api_key = api_key

    def authenticate(self) -> None:
        """Ask for the key before the body is looked at, though not before the address is."""
        if not request.path.startswith("/v1/") or request.routing_exception:
            return
        key = request.headers.get("x-key")
        if not key:
            raise missing_key()
        if self._api_key is not None and key != self._api_key:
            raise wrong_key()

    def show_credits(self) -> Response:
        return jsonify({"credits": self._account.credits})

    def submit(self, name: str) -> Response:
        model = MODELS[name]
        asked = parse(request, model)
        with self._account.working():
            outcome = self._account.next_outcome(asked.prompt or "")
            if outcome in REFUSALS:
                return REFUSALS[outcome].response()
            if self._account.count_active() >= MOST_ACTIVE:
                raise too_many_tasks()
            if self._account.credits < cost(model, asked.pixels):
                raise insufficient_credits()
            if outcome == faults.DROP_BEFORE:
                return faults.drop(request.environ)
            return self._answer(self._start(name, asked, outcome))

    def get_result(self) -> Response:
        now = self._account.clock.now()
        task_id = request.args.get("id")
        if task_id is None:
            fault = {"type": "missing", "loc": ["query", "id"], "msg": "Field required", "input": None}
            raise ApiError(422, [fault])
        task = self._account.tasks.get(task_id)
        answer = bfl_polls.answer_poll(task, now) if task else bfl_polls.not_found(task_id)
        bfl_polls.add_poll_headers(answer, now)
        return answer

    def download(self, task_id: str, _: str) -> Response:
        """Serve a picture by its signature alone: no key is asked for here."""
        task = self._account.tasks.get(task_id)
        if task is None or not bfl_polls.is_signed(task, self._account.clock.now()):
            return expired()
        task.downloads += 1
        # Drawn in a thread, so that a thousand polls are not kept from being answered.
        body: bytes = get_hub().threadpool.apply(_drawn, (task.picture, task.outcome))
        return Response(body, content_type=f"image/{task.format}")

    def _start(self, name: str, asked: FluxRequest, outcome: str) -> Task:
        """Charge as soon as the task exists, whether anybody hears of it or not."""
        now = self._account.clock.now()
        seconds = 0.0 if outcome == REQUEST_MODERATED else self._account.timing.pick()
        task = Task(
            model_name=name, model=MODELS[name], asked=asked, outcome=outcome, started=now, ready_at=now + seconds
        )
        self._account.start(task)
        if outcome not in FREE:
            self._account.charges.append(_charge(task))
        if asked.webhook_url:
            told = bfl_polls.answer_ended(task, task.ready_at).get_data()
            call_back(str(asked.webhook_url), told, seconds)
        return task

    def _answer(self, task: Task) -> Response:
        timing = self._account.timing
        match task.outcome:
            case faults.HANG:
                return faults.hang(request.environ, timing.hang_seconds)
            case faults.DROP:
                return faults.drop(request.environ)
            case faults.GARBAGE:
                return faults.garbage()
            case faults.EMPTY:
                return jsonify({})
            case faults.SLOW_BODY:
                return faults.slow_body(_accepted(task), timing.body_seconds)
            case _:
                return _accepted(task)


def _accepted(task: Task) -> Response:
    """Who wants to be called back is not told where to poll; the elder models tell their price only when ready."""
    elder = task.model.era == 1
    price: dict[str, Any] = {
        "cost": None if elder else task.cost,
        "input_mp": None if elder else 0.0,
        "output_mp": None if elder else megapixels(task.asked.pixels),
    }
    if task.asked.webhook_url:
        return jsonify({"id": task.id, "status": "Pending", "webhook_url": str(task.asked.webhook_url), **price})
    return jsonify({"id": task.id, "polling_url": bfl_polls.polling_url(task), **price})


def _charge(task: Task) -> Charge:
    width, height = task.asked.pixels
    return Charge(
        at=task.started,
        request_id=task.id,
        model=task.model_name,
        size=f"{width}x{height}",
        quality="",
        n=1,
        prompt=shown(task.asked.prompt or ""),
        outcome=task.outcome,
    )


def _drawn(picture: Picture, outcome: str) -> bytes:
    body = draw(picture.at_half_size() if outcome == faults.WRONG_SIZE else picture)
    return body[: len(body) // 2] if outcome == faults.TRUNCATED else body
