"""A configuration for X-AnyLabeling beside an exported model."""

from __future__ import annotations

from carseg._files import to_json
from carseg.hub import ModelInfo

_BACKGROUND = "_background_"  # X-AnyLabeling's name of the class that gets no polygon


def anylabeling_config(info: ModelInfo, model: str) -> str:
    """Return an X-AnyLabeling configuration, as its guide to models of one's own has it for a U-Net."""
    classes = [_BACKGROUND if i == info.labels.background else name for i, name in enumerate(info.labels.classes)]
    height, width = info.input.size
    settings = {
        "type": "unet",
        "name": f"carseg-{info.name}",
        "display_name": info.name,
        "provider": "carseg",
        "model_path": model,
        "input_height": height,
        "input_width": width,
        "mean": info.input.mean,
        "std": info.input.std,
    }
    lines = [f"{key}: {to_json(value)}" for key, value in settings.items()]
    return "\n".join([*lines, "classes:", *(f"  - {to_json(name)}" for name in classes), ""])
