"""A picture of every model through LiteLLM, which takes Darkroom for OpenAI at another address."""

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it asks GitHub for prices when it is imported

import litellm  # type: ignore[import-not-found] # it is in its own environment only

from tests.conformance.clients.report import check, fetch, read_plan

plan = read_plan()
for model in plan.models:
    with check(f"image_generation openai/{model}") as line:
        # No response_format: LiteLLM itself refuses it for models that it does not know.
        response = litellm.image_generation(
            model=f"openai/{model}",
            prompt="a lighthouse on a cliff",
            size="1024x1024",
            api_base=plan.base_url,
            api_key=plan.api_key,
        )
        line.save(plan, fetch(response.data[0].url), "1024x1024")
