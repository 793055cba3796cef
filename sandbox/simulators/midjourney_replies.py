"""Every answer of a midjourney-proxy to a submit: a code in a 200, in the words of its dialect."""
# ruff: noqa: RUF001 - the proxies write Chinese

from typing import Any

from flask import Response, jsonify

from sandbox.simulators.midjourney_tasks import CHANNEL, Dialect

OK, NOT_FOUND, INVALID, FAILED, EXISTS, QUEUED, QUEUE_FULL, BANNED, RELAY_LIMIT = 1, 3, 4, 9, 21, 22, 23, 24, 30
REFUSED = {
    "no_account": (NOT_FOUND, "无可用的账号实例"),
    "validation": (INVALID, "base64格式错误"),
    "quota": (INVALID, "quota_not_enough"),
    "drawing_limit": (INVALID, "今日绘图次数已达上限"),
    "concurrency": (INVALID, "并发数量超过限制，请稍后重试"),
    "failure": (FAILED, "提交失败，系统异常"),
    "relay_limit": (RELAY_LIMIT, "当前分组负载已饱和，请稍后再试"),
}
STATUSES = {"unauthorized": 401, "forbidden": 403, "server_error": 500, "bad_gateway": 502, "unavailable": 503}
REFUSALS = (*REFUSED, *STATUSES, "queue_full", "banned_word")


def reply(code: int, description: str, result: str | None = None, **properties: Any) -> Response:
    return jsonify({"code": code, "description": description, "result": result, "properties": properties})


def accepted(task_id: str, waiting: int) -> Response:
    """A task that waits behind others is told so; the first that waits is not."""
    if waiting <= 1:
        return reply(OK, "提交成功", task_id, discordInstanceId=CHANNEL)
    ahead = waiting - 1
    description = f"排队中，前面还有{ahead}个任务"
    return reply(QUEUED, description, task_id, numberOfQueues=ahead, discordInstanceId=CHANNEL)


def existing(task_id: str, status: str, image_url: str | None) -> Response:
    return reply(EXISTS, "任务已存在", task_id, status=status, imageUrl=image_url)


def waits_for_modal(task_id: str) -> Response:
    return reply(EXISTS, "Waiting for window confirm", task_id, discordInstanceId=CHANNEL)


def queue_full(dialect: Dialect) -> Response:
    if dialect == Dialect.NOVICEZK:
        return reply(QUEUE_FULL, "队列已满，请稍后尝试", discordInstanceId=CHANNEL)
    return reply(FAILED, "提交失败，队列已满，请稍后重试", discordInstanceId=CHANNEL)


def banned(prompt: str, word: str) -> Response:
    return reply(BANNED, "可能包含敏感词", promptEn=prompt, bannedWord=word)


def missing_parent(dialect: Dialect) -> Response:
    answer = reply(NOT_FOUND, "关联任务不存在或已失效")
    answer.status_code = 404 if dialect == Dialect.TRUEAI else 200
    return answer


def refusal(outcome: str, dialect: Dialect, prompt: str) -> Response | None:
    """Answer a scripted refusal; None when the outcome is no refusal."""
    if outcome in STATUSES:
        return Response(status=STATUSES[outcome])
    if outcome == "queue_full":
        return queue_full(dialect)
    if outcome == "banned_word":
        return banned(prompt, "gore")
    return reply(*REFUSED[outcome]) if outcome in REFUSED else None
