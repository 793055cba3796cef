"""A picture of every model through LangChain's wrapper, which asks for addresses."""

from langchain_community.utilities import (  # type: ignore[import-not-found] # it is in its own environment only
    dalle_image_generator,
)

from tests.conformance.clients.report import check, fetch, read_plan

plan = read_plan()
for model in plan.models:
    with check(f"DallEAPIWrapper {model}") as line:
        wrapper = dalle_image_generator.DallEAPIWrapper(
            model=model, size="1024x1024", api_key=plan.api_key, base_url=plan.base_url
        )
        line.save(plan, fetch(wrapper.run("a lighthouse on a cliff")), "1024x1024")
