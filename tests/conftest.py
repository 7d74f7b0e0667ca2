"""Fixtures for tests that download, and for folders that are closed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from entries import CONTENT, FILE
from modules import module
from server import Server


def pytest_configure() -> None:
    """Give each process its share of the cores: threads beyond that spin, waiting for one another."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers > 1:  # read when torch is loaded, which no plugin and no import above does
        os.environ.setdefault("OMP_NUM_THREADS", str(max((os.cpu_count() or 1) // workers, 1)))


@pytest.fixture
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Set an empty cache, no hub and no origin of the package; further tries come at once."""
    for name in ("CARSEG_HUB", "CARSEG_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CARSEG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module("hub.resolve"), "installed_from", list)
    monkeypatch.setattr(module("hub.http"), "_DELAYS", (0.01, 0.01, 0.01))


@pytest.fixture
def server() -> Iterator[Server]:
    """Yield a server that has one weights file."""
    with Server() as server:
        server.files[FILE] = CONTENT
        yield server


@pytest.fixture
def forbid(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that makes folders of a name impossible to look into; permissions do not bind everybody."""

    def forbid(name: str) -> None:
        for function in (os.scandir, os.listdir):

            def refuse(path: str, look: Callable[[str], object] = function) -> object:
                if Path(path).name == name:
                    raise PermissionError(13, "Permission denied", str(path))
                return look(path)

            monkeypatch.setattr(os, function.__name__, refuse)

    return forbid
