"""Fixtures for tests that download."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from carseg import hub
from carseg.hub import download

from entries import CONTENT, FILE
from server import Server


@pytest.fixture
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty cache, no hub and no place the package came from; further tries come at once."""
    for name in ("CARSEG_HUB", "CARSEG_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CARSEG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hub, "installed_from", list)
    monkeypatch.setattr(download, "_DELAYS", (0.01, 0.01, 0.01))


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that has one weights file."""
    with Server() as server:
        server.files[FILE] = CONTENT
        yield server
