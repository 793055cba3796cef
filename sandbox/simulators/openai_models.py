"""Which image models the OpenAI simulator has, and what each takes: both eras, DALL-E and GPT image."""

from dataclasses import dataclass

COMMON = frozenset({"prompt", "model", "n", "size", "quality", "user"})
DALL_E_2 = COMMON | {"response_format"}
DALL_E_3 = DALL_E_2 | {"style"}
GPT_IMAGE = COMMON | {
    "safety_identifier",
    "background",
    "moderation",
    "output_format",
    "output_compression",
    "stream",
    "partial_images",
}
DALL_E_SIZES = ("256x256", "512x512", "1024x1024", "1024x1792", "1792x1024")
THREE_QUALITIES = ("low", "medium", "high", "auto")
FIVE_QUALITIES = ("low", "medium", "high", "xhigh", "max", "auto")


@dataclass(frozen=True)
class ImageModel:
    """``sizes`` is empty where any size within the rules will do."""

    id: str
    created: int
    longest_prompt: int
    parameters: frozenset[str]
    qualities: tuple[str, ...]
    sizes: tuple[str, ...] = ()

    @property
    def is_dall_e(self) -> bool:
        return bool(self.sizes)


MODELS = {
    model.id: model
    for model in (
        ImageModel("dall-e-2", 1698798177, 1000, DALL_E_2, ("standard", "auto"), DALL_E_SIZES[:3]),
        ImageModel("dall-e-3", 1698785189, 4000, DALL_E_3, ("standard", "hd", "auto"), DALL_E_SIZES[2:]),
        ImageModel("gpt-image-2", 1776729600, 32000, GPT_IMAGE, THREE_QUALITIES),
        ImageModel("gpt-image-2-2026-04-21", 1776729600, 32000, GPT_IMAGE, THREE_QUALITIES),
        ImageModel("gpt-image-2.5-flare", 1788825600, 32000, GPT_IMAGE, FIVE_QUALITIES),
        ImageModel("gpt-image-2.5-flare-2026-09-08", 1788825600, 32000, GPT_IMAGE, FIVE_QUALITIES),
        ImageModel("gpt-image-2.5-sunburst", 1788825600, 32000, GPT_IMAGE, FIVE_QUALITIES),
        ImageModel("gpt-image-2.5-sunburst-2026-09-08", 1788825600, 32000, GPT_IMAGE, FIVE_QUALITIES),
    )
}
