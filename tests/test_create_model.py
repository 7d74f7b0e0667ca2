"""Networks for code of one's own, from trained weights: a name, a run folder, a file; other classes; errors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch

from carseg import OptionError, UnknownNameError, WeightsError, create_model
from carseg.hub.model_info import ModelInfo
from carseg.hub.save import save_model
from carseg.labels import label_set

from entries import info_of

NETWORK = "lraspp-mobilenetv2"
LABELS = label_set("five", ("ground", "door", "wheel", "hood", "trunk"))


def info(architecture: str) -> ModelInfo:
    return replace(info_of(name="mine"), architecture=architecture, labels=LABELS, storage="float32", metrics=())


@pytest.fixture
def hub(tmp_path: Path, own_cache: None) -> Path:
    """Return a hub with ``mine``, a network of five classes."""
    save_model(tmp_path / "hub" / "mine", create_model(NETWORK, len(LABELS)), info(NETWORK))
    return tmp_path / "hub"


def test_weights_are_found_by_name_folder_and_file(hub: Path, tmp_path: Path) -> None:
    file = hub / "mine" / "model.safetensors"
    trained = safetensors.torch.load_file(file)
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes(file.read_bytes())
    for network in (
        create_model(NETWORK, weights="mine", hub=hub),
        create_model(NETWORK, weights=hub / "mine"),
        create_model(NETWORK, weights=str(file)),
        create_model(NETWORK, weights=alone),
        create_model(NETWORK, len(LABELS), weights=alone),
    ):
        state = network.state_dict()
        assert state.keys() == trained.keys()
        assert all(torch.equal(value, trained[key]) for key, value in state.items())


@pytest.mark.parametrize("architecture", [NETWORK, "u2netp", "fcn-resnet50"])
def test_another_number_of_classes_gets_a_new_head(architecture: str, tmp_path: Path, own_cache: None) -> None:
    save_model(tmp_path / "mine", create_model(architecture, len(LABELS)), info(architecture))
    trained = safetensors.torch.load_file(tmp_path / "mine" / "model.safetensors")
    network = create_model(architecture, 2, weights=tmp_path / "mine")
    state, random = network.state_dict(), create_model(architecture, 2).state_dict()
    assert {key: value.shape for key, value in state.items()} == {key: value.shape for key, value in random.items()}
    body = [key for key in trained if trained[key].shape == random[key].shape]
    assert len(body) > len(trained) * 0.9
    assert all(torch.equal(state[key], trained[key]) for key in body)
    assert network.eval()(torch.zeros(1, 3, 64, 64)).shape[1] == 2
    assert create_model(architecture, weights=tmp_path / "mine").eval()(torch.zeros(1, 3, 64, 64)).shape[1] == 5


def test_what_cannot_be_is_said(hub: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"those of lraspp-mobilenetv2, not of u2netp: create_model\('lraspp-"):
        create_model("u2netp", 5, weights=hub / "mine")
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes((hub / "mine" / "model.safetensors").read_bytes())
    with pytest.raises(WeightsError, match=r"alone\.safetensors was made for another network: it lacks"):
        create_model("u2netp", 5, weights=alone)
    with pytest.raises(WeightsError, match=r"alone\.safetensors holds no weights of u2netp"):
        create_model("u2netp", weights=alone)
    with pytest.raises(WeightsError, match="in another shape"):
        create_model(NETWORK, weights=hub / "mine", in_channels=4)
    with pytest.raises(WeightsError, match="no such file"):
        create_model(NETWORK, weights="missing.safetensors")
    with pytest.raises(UnknownNameError, match="no model 'mime'"):
        create_model(NETWORK, weights="mime", hub=hub)
    with pytest.raises(OptionError, match="num_classes is missing"):
        create_model(NETWORK)
    with pytest.raises(OptionError, match="num_classes is missing"):
        create_model("fcn-resnet50", weights="imagenet")
    with pytest.raises(OptionError, match="at least 1, got 0"):
        create_model(NETWORK, 0, weights=hub / "mine")


def test_terms_of_the_weights_are_said_once(hub: Path, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        create_model(NETWORK, weights=hub / "mine")
    assert [record.message.split(" (")[0] for record in caplog.records] == [
        "the weights mine are not for commercial use"
    ]
