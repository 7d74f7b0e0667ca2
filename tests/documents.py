"""The pages of the documentation, for the tests that read them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from carseg.hub.catalog import DEFAULT_MODEL
from carseg.hub.manifest import ROOT, load_manifest
from carseg.hub.resolve import copies

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
TEXTS = [*PAGES, *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "THIRD_PARTY.md"))]
BLOCK = re.compile(r"^( *)```(\w*).*?\n(.*?)^\1```", re.MULTILINE | re.DOTALL)

INFO = load_manifest().models.get(DEFAULT_MODEL)
with_weights = pytest.mark.skipif(
    INFO is None or not copies(INFO), reason=f"the weights {DEFAULT_MODEL} are not in this checkout"
)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()
