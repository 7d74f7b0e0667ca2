"""Build hook: puts the manifest and the embedded weights into wheels and source archives, and no other weights.

A checkout keeps both at its top level; in a wheel they lie inside the package, where `carseg.hub.ROOT` finds them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class EmbedWeights(BuildHookInterface[Any]):
    """Adds ``weights/NAME`` for each manifest entry with ``"embedded": true``."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":  # the checkout itself is on the path
            return
        manifest = Path(self.root, "weights_manifest.json")
        stated = json.loads(manifest.read_text("utf-8"))
        models = stated["models"] | stated.get("refiners", {})
        prefix = "carseg/" if self.target_name == "wheel" else ""
        include = {str(manifest): f"{prefix}{manifest.name}"}
        for name in (name for name, entry in models.items() if entry.get("embedded")):
            include[str(Path(self.root, "weights", name))] = f"{prefix}weights/{name}"
        build_data["force_include"] |= include
