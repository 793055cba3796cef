"""Writes the OpenAI simulator's successful answers: DALL-E's, GPT image's, and the latter's stream."""

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any, cast

from sandbox.simulators.openai_requests import ImageRequest
from sandbox.simulators.pictures import Format, Picture

# Per picture of 1024x1024: the listed price over 30 dollars a million tokens.
TOKENS_2 = {"low": 200, "medium": 1767, "high": 7033}
TOKENS_2_5 = {"low": 196, "medium": 440, "high": 1757, "xhigh": 3123, "max": 7024}


def pictures(asked: ImageRequest) -> list[Picture]:
    width, height = asked.pixels
    return [
        Picture(
            prompt=asked.prompt,
            index=index,
            width=width,
            height=height,
            format=cast("Format", asked.output_format),
            quality=asked.output_compression,
            transparent=asked.background == "transparent",
        )
        for index in range(asked.n)
    ]


def dall_e_reply(created: int, asked: ImageRequest, items: list[dict[str, Any]]) -> dict[str, Any]:
    """Answer with created and data only; nothing else was ever sent for these models."""
    if asked.model.id == "dall-e-3":
        items = [{"revised_prompt": _revised(asked), **item} for item in items]
    return {"created": created, "data": items}


def gpt_image_reply(created: int, asked: ImageRequest, items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"created": created, **_chosen(asked), "data": items, "usage": _usage(asked)}


def events(created: int, asked: ImageRequest, bodies: list[bytes]) -> Iterator[str]:
    """Stream each picture: as many partial ones as asked, then the completed one with its usage."""
    for body in bodies:
        common = {"b64_json": b64encode(body).decode(), "created_at": created, **_chosen(asked)}
        for index in range(asked.partial_images):
            yield _event("image_generation.partial_image", {**common, "partial_image_index": index})
        yield _event("image_generation.completed", {**common, "usage": _usage(asked)})


def _event(kind: str, facts: dict[str, Any]) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **facts})}\n\n"


def _revised(asked: ImageRequest) -> str:
    manner = "A vivid, dramatic" if asked.style == "vivid" else "A natural, understated"
    detail = " in fine detail" if asked.quality == "hd" else ""
    return f"{manner} rendering{detail}, under a wide and luminous sky, of: {asked.prompt}"


def _chosen(asked: ImageRequest) -> dict[str, str]:
    """Say what was made of each 'auto', which is no legal answer."""
    return {
        "background": "transparent" if asked.background == "transparent" else "opaque",
        "output_format": asked.output_format,
        "quality": _quality(asked),
        "size": asked.size,
    }


def _quality(asked: ImageRequest) -> str:
    return "medium" if asked.quality == "auto" else asked.quality


def _usage(asked: ImageRequest) -> dict[str, Any]:
    width, height = asked.pixels
    tokens = TOKENS_2_5 if "2.5" in asked.model.id else TOKENS_2
    made = round(tokens[_quality(asked)] * width * height / 1024**2) * asked.n
    read = max(1, len(asked.prompt) // 4)
    return {
        "input_tokens": read,
        "input_tokens_details": {"image_tokens": 0, "text_tokens": read},
        "output_tokens": made,
        "output_tokens_details": {"image_tokens": made, "text_tokens": 0},
        "total_tokens": read + made,
    }
