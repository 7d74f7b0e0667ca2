"""What is made from weights once and cached: bound to the weights, and made anew where it cannot be used."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import carseg
from carseg import OptionError
from carseg.hub.cache import cached
from carseg.hub.save import save_model

from color_hub import LABELS, NearestColor, blocks, write_model
from entries import info_of

FAST = [("openvino", "openvino"), ("onnx", "onnxruntime")]
DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda content: content[:-5],
    "half": lambda content: content[: len(content) // 2],
    "digest only": lambda content: content[:32],
    "empty": lambda content: b"",
    "one byte": lambda content: content[:40] + bytes([content[40] ^ 1]) + content[41:],
    "longer": lambda content: content + b"\0",
    "text": lambda content: b"<html>no such page</html>",
    "without a digest": lambda content: content[32:],
    "an earlier version's": lambda content: hashlib.sha256(content[32:]).digest() + content[32:],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a hub that has ``blocks`` and ``other``, and a cache that the tests share."""
    folder = tmp_path_factory.mktemp("compiled")
    write_model(folder / "hub")
    network = NearestColor(len(LABELS))
    with torch.no_grad():  # every pixel becomes the last class
        network.head.weight.zero_()
        network.head.bias.copy_(torch.arange(len(LABELS)))
    save_model(folder / "hub" / "other", network, write_model(folder / "hub", "other"))
    return folder


@pytest.fixture(autouse=True)
def environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARSEG_HUB", str(folder / "hub"))
    monkeypatch.setenv("CARSEG_CACHE", str(folder / "cache"))


def mask(name: str, runtime: str) -> np.ndarray:
    return carseg.load(name, runtime=runtime, device="cpu").predict(blocks()).mask


@pytest.mark.parametrize(("runtime", "package"), FAST)
@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_damaged_is_made_anew(
    damage: str, runtime: str, package: str, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip(package)
    pytest.importorskip("onnxscript")
    wanted = mask("blocks", runtime)
    files = {path: path.read_bytes() for path in (folder / "cache" / "compiled").iterdir()}
    for path, content in files.items():
        path.write_bytes(DAMAGE[damage](content))
    caplog.set_level(logging.DEBUG, "carseg")
    assert np.array_equal(mask("blocks", runtime), wanted)
    repaired = [path for path, content in files.items() if path.read_bytes() != DAMAGE[damage](content)]
    assert len(repaired) == (2 if runtime == "openvino" else 1)  # the ONNX file, and what was compiled of it
    told = [record for record in caplog.records if "made anew" in record.message]
    assert len(told) == len(repaired)
    assert {record.levelname for record in told} == {"DEBUG"}
    for path, content in files.items():  # for the next test: what this one did not load stays as it was
        if path not in repaired:
            path.write_bytes(content)


@pytest.mark.parametrize(("runtime", "package"), FAST)
def test_what_was_made_from_other_weights_is_not_taken(
    runtime: str, package: str, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(package)
    pytest.importorskip("onnxscript")
    monkeypatch.setenv("CARSEG_CACHE", str(tmp_path))
    wanted = {name: mask(name, runtime) for name in ("blocks", "other")}
    assert not np.array_equal(wanted["blocks"], wanted["other"])
    theirs: dict[str, list[Path]] = {}
    for path in sorted((tmp_path / "compiled").iterdir(), key=lambda path: path.stat().st_mtime_ns):
        theirs.setdefault(path.name.partition("-")[0], []).append(path)  # named after the weights
    one, other = theirs.values()
    for path, foreign in zip(one, other, strict=True):
        shutil.copy(foreign, path)
    assert {name: mask(name, runtime).tobytes() for name in wanted} == {k: v.tobytes() for k, v in wanted.items()}


def test_a_folder_in_a_file_s_place_costs_time_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    monkeypatch.setenv("CARSEG_CACHE", str(tmp_path))
    wanted = mask("blocks", "onnx")
    for path in list((tmp_path / "compiled").iterdir()):
        path.unlink()
        path.mkdir()
    assert np.array_equal(mask("blocks", "onnx"), wanted)


def test_a_cache_that_cannot_be_written_only_costs_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    (tmp_path / "file").touch()
    monkeypatch.setenv("CARSEG_CACHE", str(tmp_path / "file"))
    assert carseg.load("blocks", runtime="onnx").predict(blocks()).parts


def test_what_cannot_be_loaded_is_made_anew(own_cache: None) -> None:
    info, made = info_of(), iter((b"first", b"second"))

    def load(content: bytes) -> str:
        if content == refused:
            raise RuntimeError("compiled by another version")
        return content.decode()

    refused = b""
    assert [cached(info, ("key",), lambda: next(made), load) for _ in range(2)] == ["first", "first"]
    refused = b"first"
    assert [cached(info, ("key",), lambda: next(made), load) for _ in range(2)] == ["second", "second"]


def test_what_is_refused_for_another_reason_stays(own_cache: None) -> None:
    def refuse(content: bytes) -> bytes:
        raise OptionError("ranges of another network")

    assert cached(info_of(), ("key",), lambda: b"content", bytes) == b"content"
    with pytest.raises(OptionError, match="another network"):
        cached(info_of(), ("key",), lambda: pytest.fail("made anew"), refuse)


def test_all_that_it_depends_on_tells_it_from_others(own_cache: None) -> None:
    infos = [info_of(), info_of(b"other weights")]
    for info in infos:
        for key in (("a", "b"), ("a",), ("ab",)):
            content = repr((info.sha256, key)).encode()
            assert cached(info, key, lambda content=content: content, bytes) == content
