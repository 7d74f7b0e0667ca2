"""Weights that the caller names: a folder, a training run, a lone file."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from carseg.errors import WeightsError
from carseg.hub.model_info import ModelInfo
from carseg.hub.resolve import resolve

from entries import info_of, put

pytestmark = pytest.mark.usefixtures("own_cache")


class TestGivenWeights:
    def test_folder(self, tmp_path: Path) -> None:
        file = put(tmp_path)
        assert resolve("anything", weights=file.parent).path == file
        assert resolve(file.parent).info.name == "my-unet"
        assert resolve("anything", weights=file).info == info_of()

    def test_folder_of_a_training_run_means_its_best_weights(self, tmp_path: Path) -> None:
        put(tmp_path, name="last")
        file = put(tmp_path, name="best")
        assert resolve(tmp_path).path == file

    def test_lone_file_takes_the_facts_of_the_named_model(
        self, known: Callable[..., ModelInfo], tmp_path: Path
    ) -> None:
        info = known(runtimes={"torch": {"bfloat16": 1.0}})
        file = tmp_path / "mine.safetensors"
        file.write_bytes(b"mine")
        (tmp_path / "config.json").write_text('{"model_type": "segformer"}')  # of another program
        resolved = resolve("my-unet", weights=file)
        assert resolved.path == file
        assert resolved.info.input == info.input
        assert resolved.info.sha256 == hashlib.sha256(b"mine").hexdigest()
        assert (resolved.info.metrics, resolved.info.runtimes) == ((), {})  # nobody measured these weights

    def test_a_file_beside_the_config_of_another_is_a_lone_file(
        self, known: Callable[..., ModelInfo], tmp_path: Path
    ) -> None:
        known()
        file = put(tmp_path).with_name("other.safetensors")
        file.write_bytes(b"mine")
        resolved = resolve("my-unet", weights=file)
        assert resolved.path == file
        assert resolved.info.sha256 == hashlib.sha256(b"mine").hexdigest()

    def test_what_cannot_be_used(self, known: Callable[..., ModelInfo], tmp_path: Path) -> None:
        known()
        (tmp_path / "empty").mkdir()
        with pytest.raises(WeightsError, match="no such file or folder"):
            resolve("my-unet", weights=tmp_path / "none.safetensors")
        with pytest.raises(WeightsError, match=r"there is no config\.json in it"):
            resolve("my-unet", weights=tmp_path / "empty")
        put(tmp_path).write_bytes(b"changed")
        with pytest.raises(WeightsError, match="sha256 differs"):
            resolve("my-unet", weights=tmp_path / "my-unet")

    @pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt", ".bin", ".pkl"])
    def test_pickle_is_refused(self, tmp_path: Path, suffix: str) -> None:
        (tmp_path / f"old{suffix}").write_bytes(b"")
        with pytest.raises(WeightsError, match=r"is a pickle.*convert it first: python -c"):
            resolve("my-unet", weights=tmp_path / f"old{suffix}")

    def test_command_that_converts_a_pickle_works(self, tmp_path: Path) -> None:
        import torch
        from safetensors.torch import load_file

        torch.save({"weight": torch.arange(3.0)}, tmp_path / "old.pth")
        with pytest.raises(WeightsError) as caught:
            resolve("my-unet", weights=tmp_path / "old.pth")
        command = str(caught.value).split("convert it first: ")[1]
        subprocess.run(command.replace("python", sys.executable, 1), shell=True, check=True)
        assert load_file(tmp_path / "old.safetensors")["weight"].tolist() == [0.0, 1.0, 2.0]
