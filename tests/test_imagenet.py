"""Encoder weights under timm's names into the networks. timm's download is replaced: there is no network here."""

import pytest
import timm
import torch

from carseg.errors import HubError, OfflineError, OptionError, WeightsError
from carseg.hub.create import create_model
from carseg.hub.pretrained import load_encoder
from recipes.deep_stem import fit_pspnet

REAL = timm.create_model


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names asked of timm, whose pretrained weights become one distinct number per tensor."""
    names = []

    def create(name: str, pretrained: bool = False, **options: object) -> torch.nn.Module:
        model = REAL(name, **options)
        if pretrained:
            names.append(name)
            for i, value in enumerate(model.state_dict().values()):
                value.fill_(i)
        return model

    monkeypatch.setattr(timm, "create_model", create)
    monkeypatch.delenv("CARSEG_OFFLINE", raising=False)
    return names


@pytest.mark.parametrize(
    ("name", "encoder", "ours", "theirs"),
    [
        ("fcn-resnet50", "resnet50", "backbone.layer4.2.conv3.weight", "layer4.2.conv3.weight"),
        ("deeplabv3plus-resnet50", "resnet50", "backbone.bn1.running_var", "bn1.running_var"),
        ("resnest50-unet", "resnest50d", "encoder.layer1.0.conv2.conv.weight", "layer1.0.conv2.conv.weight"),
    ],
)
def test_imagenet_weights_reach_the_encoder(asked: list[str], name: str, encoder: str, ours: str, theirs: str) -> None:
    model = create_model(name, 2, weights="imagenet")
    assert asked == [encoder]
    state = model.state_dict()
    assert (state[ours] == list(REAL(encoder).state_dict()).index(theirs)).all()
    rest = [value for key, value in state.items() if not key.startswith(model.encoder_prefix) and value.ndim == 4]
    assert rest
    assert all(value.std() < 1 for value in rest)  # as they were initialised


def test_nothing_is_downloaded_unasked(asked: list[str]) -> None:
    create_model("deeplabv3plus-resnet50", 2)
    assert asked == []


def test_networks_without_imagenet_weights(asked: list[str]) -> None:
    with pytest.raises(OptionError, match="no encoder that timm has ImageNet weights for"):
        create_model("unet", 2, weights="imagenet")
    with pytest.raises(OptionError, match="takes 3 channels, this FCNResNet50 takes 4"):
        create_model("fcn-resnet50", 2, in_channels=4, weights="imagenet")
    assert asked == []


def test_offline_and_failed_downloads(monkeypatch: pytest.MonkeyPatch, asked: list[str]) -> None:
    monkeypatch.setenv("CARSEG_OFFLINE", "1")
    with pytest.raises(OfflineError, match="CARSEG_OFFLINE is set"):
        create_model("fcn-resnet50", 2, weights="imagenet")
    assert asked == []
    monkeypatch.delenv("CARSEG_OFFLINE")

    def fail(name: str, pretrained: bool) -> None:
        raise ConnectionResetError("connection reset")

    monkeypatch.setattr(timm, "create_model", fail)
    with pytest.raises(HubError, match="ImageNet weights of resnet50: connection reset"):
        create_model("fcn-resnet50", 2, weights="imagenet")


def test_weights_that_do_not_fit_change_nothing() -> None:
    model = create_model("fcn-resnet50", 2)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state = {key: value + 1 for key, value in REAL("resnet50").state_dict().items()}
    for wrong in (
        state | {"layer1.0.conv1.weight": torch.zeros(1)},
        {k: v for k, v in state.items() if k != "bn1.bias"},
    ):
        with pytest.raises(WeightsError, match=r"my\.pth does not fit FCNResNet50: 1 tensors, the first is backbone\."):
            load_encoder(model, wrong, "my.pth")
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_public_mit_weights_load_under_their_own_names() -> None:
    mit = create_model("segformer-b0", 2).backbone.state_dict() | {"head.weight": torch.zeros(1)}
    model = create_model("segformer-b0", 2)
    load_encoder(model, mit, "mit_b0.pth")
    assert torch.equal(model.backbone.block4[1].attn.kv.weight, mit["block4.1.attn.kv.weight"])


def test_a_stem_of_three_convolutions_computes_what_one_of_seven_by_seven_does() -> None:
    torch.manual_seed(0)
    trained, model = REAL("resnet50"), create_model("pspnet-resnet50", 2)
    for norm in (trained.bn1, trained.layer1[0].bn1):
        for value, low in ((norm.weight, 0.5), (norm.bias, -1.0), (norm.running_mean, -1.0), (norm.running_var, 0.5)):
            torch.nn.init.uniform_(value, low, 1.5)
    fit_pspnet(model, trained.state_dict(), "a ResNet-50")
    images = torch.randn(2, 3, 70, 101)
    trained.eval()
    model.eval()
    with torch.no_grad():
        theirs = trained.layer1(trained.maxpool(trained.act1(trained.bn1(trained.conv1(images)))))
        ours = model.get_submodule("layer1")(model.get_submodule("layer0")(images))
    assert torch.allclose(ours, theirs, atol=1e-4 * theirs.abs().max().item())


def test_a_resnet_of_other_blocks_does_not_fit() -> None:
    with pytest.raises(WeightsError, match="a ResNet-18 does not fit PSPNet"):
        fit_pspnet(create_model("pspnet-resnet50", 2), REAL("resnet18").state_dict(), "a ResNet-18")
