"""The package as a package index gives it, without a checkout: the zoo loads from where the manifest says it is."""

from __future__ import annotations

import functools
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import carseg
from carseg.hub.manifest import ROOT, load_manifest

from entries import start

MODELS = load_manifest().models
ALL = """
import carseg, logging, os
from carseg.hub import ROOT, cache_dir, resolve

logging.disable()
assert str(ROOT).startswith(os.environ["PYTHONPATH"]), ROOT
loaded = set()
for name in carseg.list_models():
    path = resolve(name).path  # checks the sha256
    place = "cache" if path.is_relative_to(cache_dir()) else "package" if path.is_relative_to(ROOT) else path
    if place not in loaded:  # test_weights loads all
        assert carseg.load(name, runtime="torch", precision="float32", device="cpu").name == name
        loaded.add(place)
    print(name, place)
    if place == "cache":
        path.unlink()  # all of them are large
"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Write nothing to stderr."""


@pytest.fixture
def origin() -> Iterator[str]:
    """Yield the address of a server that has the weights of this checkout."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=ROOT / "weights"))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def installed(tmp_path: Path, origin: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the package as its wheel has it, from a package index, whose manifest names the origin."""
    site = tmp_path / "site-packages"
    package = Path(carseg.__file__).parent
    shutil.copytree(package, site / "carseg", ignore=shutil.ignore_patterns("__pycache__", "weights*"))
    replace(load_manifest(), hubs=(origin,)).save(site / "carseg/weights_manifest.json")
    for name, info in MODELS.items():
        if info.embedded:
            shutil.copytree(ROOT / "weights" / name, site / "carseg/weights" / name)
    record = site / f"carseg-{carseg.__version__}.dist-info/METADATA"  # without a direct_url.json beside it
    record.parent.mkdir()
    record.write_text(f"Metadata-Version: 2.1\nName: carseg\nVersion: {carseg.__version__}\n")
    for name in ("CARSEG_HUB", "CARSEG_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CARSEG_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return site


@pytest.mark.skipif(not all((ROOT / "weights" / name).is_dir() for name in MODELS), reason="some weights are not here")
def test_every_name_loads(installed: Path) -> None:
    output, errors = start(ALL, PYTHONPATH=str(installed)).communicate(timeout=600)
    places = dict(line.split() for line in output.splitlines())
    assert places == {name: "package" if info.embedded else "cache" for name, info in MODELS.items()}, errors


def test_without_the_origin_it_is_said_what_to_do(installed: Path) -> None:
    replace(load_manifest(), hubs=()).save(installed / "carseg/weights_manifest.json")
    name = next(name for name, info in MODELS.items() if not info.embedded)
    _, errors = start(f"import carseg; carseg.load({name!r})", PYTHONPATH=str(installed)).communicate(timeout=60)
    assert f"HubError: cannot get the weights of {name!r} (nothing says where they are)" in errors
    assert "name a hub that has them" in errors
