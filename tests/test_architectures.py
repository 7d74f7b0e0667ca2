"""The promises of every registered network; the networks' agreement with their references is in test_parity.py."""

import math
import subprocess
import sys

import pytest
import timm
import torch
from safetensors.torch import load, save

from carseg.architectures.network import Network
from carseg.architectures.registry import list_architectures, register
from carseg.errors import OptionError, UnknownNameError
from carseg.hub.create import create_model
from recipes import growing

from networks import LARGER, randomized


def images(batch: int, height: int, width: int, channels: int = 3) -> torch.Tensor:
    return torch.randn(batch, channels, height, width, generator=torch.Generator().manual_seed(height))


@pytest.fixture(scope="module", params=[name for name in list_architectures() if name not in LARGER])
def network(request: pytest.FixtureRequest) -> tuple[str, Network]:
    torch.manual_seed(0)
    return request.param, create_model(request.param, 5)


def test_any_size(network: tuple[str, Network]) -> None:
    _, model = network
    model.eval()
    with torch.no_grad():
        stride = 64 // model(images(1, 64, 64)).shape[-1]
        assert stride in (1, 2, 4, 8)
        for height, width in ((1, 1), (2, 3), (17, 16), (33, 47)):
            logits = model(images(1, height, width))
            assert logits.shape == (1, 5, math.ceil(height / stride), math.ceil(width / stride))
            assert logits.isfinite().all()


def test_prediction_does_not_depend_on_the_rest_of_the_batch(network: tuple[str, Network]) -> None:
    _, model = network
    model.eval()
    x = images(2, 40, 48)
    with torch.no_grad():
        torch.testing.assert_close(model(x)[1:], model(x[1:]), rtol=1e-3, atol=1e-4)


def test_save_and_load_is_bit_equal(network: tuple[str, Network]) -> None:
    name, model = network
    model.eval()
    with torch.device("meta"):
        restored = create_model(name, 5)
    restored.load_state_dict(load(save(model.state_dict())), assign=True)
    x = images(1, 33, 47)
    with torch.no_grad():
        assert torch.equal(restored.eval()(x), model(x))


def test_every_parameter_gets_a_gradient(network: tuple[str, Network]) -> None:
    _, model = network
    model.train()
    for module in model.modules():
        if hasattr(module, "drop_prob"):
            module.drop_prob = 0.0  # or a block may be skipped for the whole batch
    outputs = model(images(2, 33, 47))
    assert isinstance(outputs, tuple)
    assert len(outputs) == len(model.loss_weights)
    loss = sum(w * (out * torch.randn_like(out)).mean() for w, out in zip(model.loss_weights, outputs, strict=True))
    model.zero_grad()
    loss.backward()
    without = [key for key, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []
    assert all(p.grad.isfinite().all() for p in model.parameters())
    model.zero_grad()


def test_training_heads_can_be_dropped(network: tuple[str, Network]) -> None:
    name, _ = network
    with torch.device("meta"):
        model = create_model(name, 5)
    keys = set(model.state_dict())
    for _ in range(2):  # a second time changes nothing
        model.drop_training_heads()
    left = set(model.state_dict())
    assert left == {key for key in keys if not key.startswith(tuple(f"{head}." for head in model.training_only))}
    if model.training_only:
        assert left != keys
        x = torch.empty(2, 3, 64, 64, device="meta")
        assert model.eval()(x).shape[1] == 5
        assert len(model.train()(x)) == len(model.loss_weights) == 1


def test_any_number_of_channels_and_classes(network: tuple[str, Network]) -> None:
    name, _ = network
    with torch.device("meta"):
        model = create_model(name, 1, in_channels=4).eval()
    assert model(torch.empty(1, 4, 40, 56, device="meta")).shape[:2] == (1, 1)


@pytest.mark.parametrize("name", list_architectures())
def test_encoder_keys_are_timms(name: str) -> None:
    with torch.device("meta"):
        model = create_model(name, 5)
        theirs = timm.create_model(model.timm_encoder).state_dict() if model.timm_encoder else {}
    if not theirs:
        pytest.skip("no encoder of timm's in it")
    ours = {k: v.shape for k, v in model.state_dict().items() if k.startswith(model.encoder_prefix)}
    assert ours
    assert ours == {key: theirs[model.timm_key(key)].shape for key in ours}


@pytest.mark.parametrize(
    ("name", "size"), [("unet", (16, 16)), ("segformer-b0", (29, 29)), ("pspnet-resnet50", (9, 17))]
)
def test_padding_inside_repeats_the_border(name: str, size: tuple[int, int]) -> None:
    """An image too small for the published network is answered as if its last row and column went on."""
    model = create_model(name, 2).eval()
    x = images(1, 4, 12)
    grown = torch.nn.functional.pad(x, (0, size[1] - 12, 0, size[0] - 4), mode="replicate")
    with torch.no_grad():
        logits = model(x)
        torch.testing.assert_close(logits, model(grown)[..., : logits.shape[-2], : logits.shape[-1]])


def test_a_training_batch_of_one_is_refused_where_it_has_no_variance() -> None:
    model = create_model("deeplabv3plus-resnet50", 2).train()
    with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
        model(images(1, 32, 32))


def test_unet_without_skips_sees_the_image_through_the_bottom_only() -> None:
    for name, blind in (("unet", False), ("unet-noskip", True)):
        model = create_model(name, 2).eval()
        for parameter in model.down4.parameters():
            torch.nn.init.zeros_(parameter)
        with torch.no_grad():
            assert torch.equal(model(images(1, 32, 32)), model(images(1, 32, 32) + 1)) == blind


def test_light_networks_import_neither_timm_nor_torchvision() -> None:
    light = ("mobilenetv2", "efficientnet")
    names = [name for name in list_architectures() if any(word in name for word in light)] + ["unet", "u2net"]
    script = (
        "import sys, torch\n"
        "from carseg.hub import create_model\n"
        f"[create_model(name, 2) for name in {names}]\n"
        "print(sorted({'timm', 'torchvision'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_unknown_names_and_numbers() -> None:
    with pytest.raises(UnknownNameError, match="did you mean u2net"):
        create_model("u2nett", 2)
    with pytest.raises(OptionError, match="at least 1"):
        create_model("unet", 0)
    with pytest.raises(OptionError, match="at least 1"):
        create_model("unet", 2, in_channels=0)
    with pytest.raises(OptionError, match="registered twice"):
        register("unet")(lambda num_classes, in_channels: create_model("unet", num_classes))


@torch.no_grad()
@pytest.mark.parametrize(
    ("smaller", "larger", "reader"),
    [
        ("u2netp", "u2net", "stage2.rebnconv1.conv_s1.weight"),
        ("resnest50-unet", "resnest101-unet", "encoder.layer1.0.conv1.weight"),
    ],
)
def test_a_grown_network_computes_the_same_with_channels_that_can_part(smaller: str, larger: str, reader: str) -> None:
    small, large = randomized(smaller), create_model(larger, 5).eval()
    large.load_state_dict(growing.grown(large, small.state_dict(), torch.Generator().manual_seed(1)))
    x = torch.randn(1, 3, 75, 96)
    torch.testing.assert_close(large(x), small(x), rtol=1e-4, atol=1e-4)
    copies = large.state_dict()[reader].chunk(2, 1)  # it reads two copies of every channel
    assert not torch.allclose(*copies)


def test_networks_of_other_families_do_not_grow() -> None:
    with pytest.raises(OptionError, match="UNet cannot grow"):
        growing.grown(create_model("unet", 2), {}, torch.Generator())
