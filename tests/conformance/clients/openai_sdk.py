"""Everything Darkroom offers through one release of OpenAI's SDK, sync and async, with strict validation."""

import asyncio
from base64 import b64decode
from collections.abc import Callable
from inspect import isawaitable
from typing import Any
from uuid import uuid4

import openai

from tests.conformance.clients.report import Plan, check, fetch, read_plan

Client = openai.OpenAI | openai.AsyncOpenAI
PROMPT = "a lighthouse on a cliff"


async def main() -> None:
    plan = read_plan()
    for kind, make in (("sync", openai.OpenAI), ("async", openai.AsyncOpenAI)):
        client = make(
            base_url=plan.base_url,
            api_key=plan.api_key,
            max_retries=0,
            timeout=120,
            _strict_response_validation=True,
        )
        await asyncio.gather(*(generates(kind, client, plan, case) for case in plan.cases))
        await asyncio.gather(*(refuses(kind, client, refusal) for refusal in plan.refusals))
        await lists(kind, client, plan)
        await sends_headers(kind, client)


async def call(method: Callable[..., Any], **arguments: Any) -> Any:
    """Call a method of either client, and hold up nothing else meanwhile."""
    answer = await asyncio.to_thread(method, **arguments)
    return await answer if isawaitable(answer) else answer


async def generates(kind: str, client: Client, plan: Plan, case: dict[str, str]) -> None:
    with check(f"{kind} generate {' '.join(case.values())}") as line:
        response = await call(client.images.generate, prompt=PROMPT, **case)
        (image,) = response.data
        assert (image.url is None, image.b64_json is None) == (
            case["response_format"] != "url",
            case["response_format"] != "b64_json",
        ), f"not the format that was asked for: {response}"
        picture = b64decode(image.b64_json) if image.b64_json else await asyncio.to_thread(fetch, image.url)
        line.save(plan, picture, case["size"])


async def refuses(kind: str, client: Client, refusal: dict[str, Any]) -> None:
    with check(f"{kind} {refusal['error']} {refusal['code']}"):
        asking = client.with_options(
            api_key=refusal.get("api_key", client.api_key),
            default_headers={"Idempotency-Key": str(uuid4())} if "idempotent" in refusal else {},
        )
        requests = [{"prompt": PROMPT, **request} for request in refusal["requests"]]
        error = await first_error(asking.images.generate, requests)
        told = type(error).__name__, error.code
        assert told == (refusal["error"], refusal["code"]), f"raised {told}: {error}"
        assert (error.request_id or "").startswith("req_"), f"request_id is {error.request_id!r}"


async def first_error(method: Callable[..., Any], requests: list[dict[str, str]]) -> openai.APIStatusError:
    try:
        answers = [await call(method, **request) for request in requests]
    except openai.APIStatusError as error:
        return error
    raise AssertionError(f"answered {answers}")


async def lists(kind: str, client: Client, plan: Plan) -> None:
    with check(f"{kind} models.list"):
        page = await call(client.models.list)
        assert [model.id for model in page.data] == plan.models, f"listed {page.data}"
    for model in plan.models:
        with check(f"{kind} models.retrieve {model}"):
            assert (await call(client.models.retrieve, model=model)).id == model
    with check(f"{kind} models.retrieve of an unknown model"):
        error = await first_error(client.models.retrieve, [{"model": "dall-e-4"}])
        told = type(error).__name__, error.code
        assert told == ("NotFoundError", "model_not_found"), f"raised {told}: {error}"


async def sends_headers(kind: str, client: Client) -> None:
    with check(f"{kind} with_raw_response"):
        raw = await call(client.images.with_raw_response.generate, prompt=PROMPT)
        assert raw.headers["x-request-id"].startswith("req_"), f"headers are {raw.headers}"
        assert raw.headers["openai-processing-ms"].isdecimal(), f"headers are {raw.headers}"
        assert raw.headers["openai-version"] == "2020-10-01", f"headers are {raw.headers}"
        assert raw.parse().data[0].url, "there is no url"


if __name__ == "__main__":
    asyncio.run(main())
