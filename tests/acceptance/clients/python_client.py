"""Makes pictures with whatever OpenAI SDK its Python has, as its user would: no header, no retry of our own.

Reads one JSON object: base_url, api_key, timeout, max_retries, and the prompts, which are asked for all at once.
Writes one object for each prompt, in their order: the url of its picture, or the error.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

from openai import OpenAI, OpenAIError

plan = json.load(sys.stdin)
client = OpenAI(**{name: plan[name] for name in ("base_url", "api_key", "timeout", "max_retries")})


def ask(prompt: str) -> dict[str, str | None]:
    try:
        answer = client.images.generate(model="dall-e-2", prompt=prompt, size="256x256")
    except OpenAIError as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"url": answer.data[0].url if answer.data else None}


with ThreadPoolExecutor(len(plan["prompts"])) as callers:
    json.dump(list(callers.map(ask, plan["prompts"])), sys.stdout)
