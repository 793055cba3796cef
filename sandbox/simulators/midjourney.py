"""Simulates a midjourney-proxy, novicezk's or trueai's: codes, tasks, grids, their changes; it never dedupes."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Flask, Response, abort, jsonify, request

from sandbox.simulators import faults
from sandbox.simulators.control import SUCCESS, ControlError
from sandbox.simulators.midjourney_account import Account
from sandbox.simulators.midjourney_cdn import Cdn
from sandbox.simulators.midjourney_changes import Change, change_of, parse_custom_id, parse_simple
from sandbox.simulators.midjourney_replies import (
    INVALID,
    NOT_FOUND,
    OK,
    REFUSALS,
    banned,
    missing_parent,
    refusal,
    reply,
)
from sandbox.simulators.midjourney_tasks import FAILURES, GOING_ON, Dialect, Status
from sandbox.simulators.midjourney_work import Work
from sandbox.simulators.panel import create_panel

OUTCOMES = (SUCCESS, *REFUSALS, *FAILURES, "modal", "exists", "lost", *faults.FAULTS)
MODES = ("", "/mj-fast", "/mj-turbo", "/mj-relax")
BANNED_WORDS = re.compile(r"\b(gore|naked|blowjob)\b", re.IGNORECASE)


def create_app(api_key: str | None, dialect: Dialect = Dialect.NOVICEZK) -> Flask:
    """Build a simulator that takes this secret, or none at all where there is none."""
    app = Flask(__name__)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the default provider has it
    account = Account("midjourney", OUTCOMES, built_as=dialect, dialect=dialect)
    cdn = Cdn(account)
    proxy = Proxy(account, cdn, api_key)
    app.register_blueprint(create_panel(account))
    app.register_error_handler(ControlError, _refuse)
    app.before_request(proxy.authenticate)
    for mode in MODES:
        for path, (view, methods) in proxy.views().items():
            app.add_url_rule(f"{mode}/mj{path}", f"{mode}{path}", view, methods=methods)
    app.add_url_rule("/attachments/<int:channel>/<int:message>/<name>", view_func=cdn.download)
    app.add_url_rule("/<uuid:job>/0_<int(max=3):cell>.png", view_func=cdn.download_single)
    app.add_url_rule("/control/account", view_func=proxy.set_account, methods=["PUT", "POST"])
    app.add_url_rule("/control/restart", view_func=proxy.restart, methods=["POST"])
    return app


class Proxy:
    def __init__(self, account: Account, cdn: Cdn, api_key: str | None) -> None:
        self._account = account
        self._work = Work(account, cdn)
        self._api_key = api_key

    def views(self) -> dict[str, tuple[Callable[..., Any], list[str]]]:
        """By path below /mj, in both dialects; some are of one alone."""
        novicezk, trueai = partial(self._only, Dialect.NOVICEZK), partial(self._only, Dialect.TRUEAI)
        return {
            "/submit/imagine": (self.imagine, ["POST"]),
            "/submit/change": (novicezk(self.change), ["POST"]),
            "/submit/simple-change": (novicezk(self.simple_change), ["POST"]),
            "/submit/action": (trueai(self.action), ["POST"]),
            "/submit/modal": (trueai(self.modal), ["POST"]),
            "/task/<task_id>/fetch": (self.fetch, ["GET"]),
            "/task/<task_id>/cancel": (trueai(self.cancel), ["POST"]),
            "/task/<task_id>/image-seed": (trueai(self.image_seed), ["GET"]),
            "/task/list-by-condition": (self.list_by_ids, ["POST"]),
            "/task/list-by-ids": (trueai(self.list_by_ids), ["POST"]),
            "/task/list": (novicezk(self.list_all), ["GET"]),
            "/task/queue": (novicezk(self.list_queue), ["GET"]),
        }

    def authenticate(self) -> Response | None:
        """Refuse a wrong secret before anything else; trueai takes it as a raw Authorization, too."""
        mode, _, api = request.path.partition("/mj/")
        if not api or mode not in MODES:
            return None
        is_trueai = self._account.dialect == Dialect.TRUEAI
        if mode and not is_trueai:
            abort(404)
        given = request.headers.get("mj-api-secret") or (
            request.headers.get("Authorization") if is_trueai else None
        )
        if self._api_key is None or given == self._api_key:
            return None
        if not is_trueai:
            return Response(status=401)
        return Response(status=403) if given else Response("Authorization header missing.", 401)

    def imagine(self) -> Response:
        asked = _body()
        whole = str(asked.get("prompt") or "").strip()
        if not whole:
            return reply(INVALID, "prompt不能为空")
        if word := BANNED_WORDS.search(whole):
            return banned(whole, word[0])
        return self._work.submit(asked, Change("IMAGINE", f"/imagine {whole}"), whole)

    def change(self) -> Response:
        asked = _body()
        wanted = change_of(asked.get("action"), asked.get("index"))
        if not asked.get("taskId"):
            return reply(INVALID, "taskId不能为空")
        return self._change(asked, str(asked["taskId"]), wanted) if wanted else reply(INVALID, "action参数错误")

    def simple_change(self) -> Response:
        asked = _body()
        parsed = parse_simple(asked.get("content"))
        return self._change(asked, *parsed) if parsed else reply(INVALID, "content参数错误")

    def action(self) -> Response:
        asked = _body()
        task_id, custom_id = asked.get("taskId"), asked.get("customId")
        if not task_id or not custom_id:
            return reply(INVALID, "参数错误")
        parent = self._account.tasks.get(str(task_id))
        shown_ids = {button["customId"] for button in parent.buttons()} if parent else {custom_id}
        wanted = parse_custom_id(str(custom_id)) if custom_id in shown_ids else None
        return self._change(asked, str(task_id), wanted) if wanted else reply(INVALID, "参数错误")

    def modal(self) -> Response:
        asked = _body()
        if not asked.get("taskId") or not str(asked.get("prompt") or "").strip():
            return reply(INVALID, "参数错误")
        task = self._account.tasks.get(str(asked["taskId"]))
        if task is None:
            return missing_parent(self._account.dialect)
        if not task.waits_for_modal:
            return reply(INVALID, "关联任务状态错误")
        refused = refusal(self._account.next_outcome(""), self._account.dialect, task.prompt.whole)
        if refused is not None:
            return refused
        task.waits_for_modal = False
        task.starts = self._account.next_start()
        self._work.charge(task)
        return reply(OK, "提交成功", task.id)

    def fetch(self, task_id: str) -> Response:
        task = self._account.tasks.get(task_id)
        if task is None:
            return Response(status=204 if self._account.dialect == Dialect.TRUEAI else 200)
        return jsonify(self._work.told(task))

    def cancel(self, task_id: str) -> Response:
        task = self._account.tasks.get(task_id)
        now = self._account.clock.now()
        if task is None:
            return missing_parent(self._account.dialect)
        if task.status(now) in GOING_ON:
            task.cancelled_at = now
        return reply(OK, "成功", task.id)

    def image_seed(self, task_id: str) -> Response:
        task = self._account.tasks.get(task_id)
        if task is None:
            return reply(NOT_FOUND, "关联任务不存在或已失效")
        done = task.status(self._account.clock.now()) == Status.SUCCESS
        return reply(OK, "成功", task.seed) if done else reply(INVALID, "关联任务状态错误")

    def list_by_ids(self) -> Response:
        wanted = _body().get("ids") or []
        return jsonify(
            [self._work.told(self._account.tasks[str(key)]) for key in wanted if str(key) in self._account.tasks]
        )

    def list_all(self) -> Response:
        return jsonify([self._work.told(task) for task in self._account.tasks.values()])

    def list_queue(self) -> Response:
        now = self._account.clock.now()
        return jsonify(
            [self._work.told(task) for task in self._account.tasks.values() if task.status(now) in GOING_ON]
        )

    def set_account(self) -> Response:
        self._account.set(_body())
        return jsonify(self._account.state())

    def restart(self) -> Response:
        self._account.restart()
        return jsonify(self._account.state())

    def _only(self, dialect: Dialect, view: Callable[..., Response]) -> Callable[..., Response]:
        def guarded(**path: Any) -> Response:
            return view(**path) if self._account.dialect == dialect else abort(404)

        return guarded

    def _change(self, asked: dict[str, Any], task_id: str, wanted: Change) -> Response:
        parent = self._account.tasks.get(task_id)
        if parent is None:
            return missing_parent(self._account.dialect)
        if parent.status(self._account.clock.now()) != Status.SUCCESS:
            return reply(INVALID, "关联任务状态错误")
        if not parent.is_grid:
            return reply(INVALID, "关联任务不允许执行变化")
        return self._work.submit(asked, wanted.of(parent), parent.prompt.whole)


def _body() -> dict[str, Any]:
    body = request.get_json(silent=True)
    return body if isinstance(body, dict) else {}


def _refuse(problem: ControlError) -> tuple[Response, int]:
    return jsonify({"error": str(problem)}), 400
