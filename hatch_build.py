"""Build hooks: what goes into wheels and source archives, and what a package index says about them.

A checkout keeps the manifest and the weights at its top level; in a wheel they lie inside the package, where
``carseg.hub.ROOT`` finds them.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface


class EmbedWeights(BuildHookInterface[Any]):
    """Adds the manifest, ``weights/NAME`` for each of its entries with ``"embedded": true``, and the example image."""

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
        if self.target_name == "wheel":
            include[str(Path(self.root, "examples", "car.jpg"))] = "carseg/images/car.jpg"
        build_data["force_include"] |= include


class Describe(MetadataHookInterface):
    """Adds the README and, where the repository's address is set, the addresses of the project.

    The README's links and images are relative, which leads nowhere on a package index; they become addresses in the
    repository at the tag of the version.
    """

    def update(self, metadata: dict[str, Any]) -> None:
        text = Path(self.root, "README.md").read_text("utf-8")
        if repository := self.config["repository"]:
            text = with_addresses(text, repository, f"v{metadata['version']}")
            metadata["urls"] = {
                "Repository": repository,
                "Documentation": f"{repository}/blob/main/docs/index.md",
                "Changelog": f"{repository}/blob/main/CHANGELOG.md",
                "Issues": f"{repository}/issues",
            }
        metadata["readme"] = {"content-type": "text/markdown", "text": text}


def with_addresses(text: str, repository: str, revision: str) -> str:
    """Returns Markdown whose relative links and images are addresses in a repository."""

    def address(found: re.Match[str]) -> str:
        form = "raw" if found[1].startswith("!") else "blob"
        return f"{found[1]}({repository}/{form}/{revision}/{found[2]})"

    return re.sub(r"(!?\[[^]]*\])\((?![a-z]+:|#)([^)\s]+)\)", address, text)
