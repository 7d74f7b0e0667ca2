"""A finished weight's facts, written beside it, into the manifest and into the README's table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from carseg.hub import CONFIG, ROOT, ModelInfo, load_manifest, model_card, write_config
from recipes import readme

WEIGHTS = ROOT / "weights"


def describe(folder: Path, info: ModelInfo, notes: str) -> None:
    """Write config.json and the model card beside the weights."""
    write_config(folder / CONFIG, info)
    (folder / "README.md").write_text(model_card(info, notes), "utf-8")


def enter_refiner(info: ModelInfo) -> None:
    """Write a network that refines the answers of models into the manifest."""
    manifest = load_manifest(ROOT / "weights_manifest.json")
    replace(manifest, refiners={**manifest.refiners, info.name: info}).save(ROOT / "weights_manifest.json")


def enter(info: ModelInfo) -> None:
    """Write a model of the project's own into the manifest and the README's table."""
    manifest = load_manifest(ROOT / "weights_manifest.json")  # as it is now, not as it was first read
    models = {**manifest.models, info.name: info}
    replace(manifest, models=models).save(ROOT / "weights_manifest.json")
    readme.README.write_text(readme.with_table(readme.README.read_text("utf-8"), models), "utf-8")
