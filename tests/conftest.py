"""Fixtures for tests that download or predict, and for folders that are closed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import carseg
from carseg.hub.manifest import Manifest
from carseg.hub.model_info import ModelInfo

from entries import CONTENT, FILE, info_of
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
def known(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ModelInfo]:
    """Return a function that makes ``my-unet`` a model of the manifest, with these hubs and facts."""

    def make(*hubs: str, content: bytes = CONTENT, **facts: Any) -> ModelInfo:
        info = replace(info_of(content), **facts)
        manifest = Manifest(hubs=hubs, models={info.name: info})
        monkeypatch.setattr(module("hub.resolve"), "load_manifest", lambda: manifest)
        return info

    return make


@pytest.fixture(scope="session")
def shared_hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a hub that has the model ``blocks``, to be read only."""
    from color_hub import write_model  # loads torch

    hub = tmp_path_factory.mktemp("hub")
    write_model(hub)
    return hub


@pytest.fixture
def model(shared_hub: Path, own_cache: None) -> carseg.Segmenter:
    """Return the network that sees colours."""
    return carseg.load("blocks", hub=shared_hub, device="cpu", runtime="torch", precision="float32")


@pytest.fixture
def blocks_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Work in an empty folder, with a hub that has the model ``blocks``."""
    from carseg.cli import process

    from color_hub import write_model  # loads torch

    hub = tmp_path_factory.mktemp("hub")
    write_model(hub)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CARSEG_HUB", str(hub))
    monkeypatch.setenv("CARSEG_CACHE", str(hub / "cache"))
    monkeypatch.setattr(process, "prepare", lambda: None)  # settings of this process are the test runner's
    return tmp_path


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
