"""An operator's own catalog, laid over the built-in one."""

from pathlib import Path

import pytest

from core.catalog import Catalog
from core.errors import SettingsError

EVERY = {"openai", "stability", "bfl", "midjourney"}
VLLM = """
[providers.gpu-1]
adapter = "openai_compatible"
base_url = "http://10.0.0.5:8000/v1"
key_variable = "GPU_1_KEY"

[models.qwen-image]
provider = "gpu-1"
upstream_model = "Qwen/Qwen-Image"
owned_by = "us"
created = 1760000000
sizes = ["1024x1024"]
default_size = "1024x1024"
max_prompt = 2000
prices.1024x1024.standard = "0"
"""


class Own:
    """The operator's own file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, text: str, *, environment: dict[str, str] | None = None) -> Catalog:
        self.path.write_text(text)
        return Catalog.load(str(self.path), EVERY, environment or {})

    def refuse(self, text: str) -> str:
        with pytest.raises(SettingsError) as refused:
            self.load(text)
        return str(refused.value)
