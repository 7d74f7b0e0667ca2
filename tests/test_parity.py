"""The published networks, bit by bit: layer names, sizes, outputs, and public checkpoints under their own names.

The figures under `REFERENCE` are what the reference implementations answered when `fill` had set their weights; they
were run once, outside this repository.
"""

import hashlib
import zlib

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn

from carseg.architectures.convert import convert_public_state_dict
from carseg.errors import UnknownNameError
from carseg.hub.create import create_model

# Number of classes, and for it the reference's number of parameters and a digest of its state dict's keys and shapes.
PUBLISHED = {
    "unet": (2, 31037698, "4f4f8b83e00c025e"),
    "u2net": (1, 44009869, "63911da1b3a0f02c"),
    "u2netp": (1, 1131181, "dcdf53c049c5ca90"),
    "fcn-resnet50": (21, 35322218, "baaa1d3740008a95"),
    "deeplabv3-resnet50": (21, 42004074, "92bbb0fe60b58a82"),
    "deeplabv3plus-resnet50": (21, 39761845, "bafeff1cdaea2d93"),
    "pspnet-resnet50": (19, 49080038, "e7dd6639b67ee070"),
    "segformer-b0": (150, 3752694, "1ba79769682b65e5"),
    "segformer-b1": (150, 13715798, "9bd33aadfd03cb19"),
    "segformer-b2": (150, 27461974, "e90de515e0661ad2"),
    "segformer-b3": (19, 47237075, "ea3ebca84375ac95"),
    "segformer-b4": (150, 64108374, "42eee8fd3c381121"),
    "segformer-b5": (150, 84708694, "ef97200137c37061"),
}
# Height and width of the input; some logits of five classes, found at equal distances in the flattened output.
REFERENCE = {
    "unet": ((37, 50), [0.30987, 0.3398, 0.09101, 0.10709, 0.14655, -0.38394]),
    "u2net": ((37, 50), [-0.60871, -0.99234, 0.14672, -0.0683, 2.14989, 1.05672]),
    "u2netp": ((37, 50), [0.24017, 0.90434, 1.92084, -1.20115, 0.89561, 0.72685]),
    "fcn-resnet50": ((37, 50), [3.30961, 0.52986, 3.85421, -3.15734, -1.15438, -1.07978]),
    "deeplabv3-resnet50": ((37, 50), [-0.55139, -0.06518, -0.60268, -0.66165, 1.06507, 0.28872]),
    "deeplabv3plus-resnet50": ((37, 50), [-1.87817, -1.46019, -0.60824, 0.0996, -0.38565, -0.78012]),
    "pspnet-resnet50": ((33, 57), [-0.94787, -1.71121, -0.87249, -0.66377, 1.25554, -0.79292]),
    "segformer-b0": ((37, 50), [-0.07471, 0.41386, 0.66027, -0.83381, -1.6127, -0.57553]),
    "segformer-b3": ((37, 50), [0.7582, 1.1914, -0.64368, 0.75576, 0.45967, -0.57254]),
}


def noise(shape: tuple[int, ...], seed: str) -> Tensor:
    """Return numbers that look random, evenly spread over -1..1, the same on every machine and with every version."""
    n = np.arange(np.prod(shape, dtype=int), dtype=np.uint32) + np.uint32(zlib.crc32(seed.encode()))
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        n = (n ^ (n >> shift)) * np.uint32(factor)
    n ^= n >> 16
    return torch.from_numpy(n / np.float32(2**31) - 1).float().reshape(shape)


def fill(model: nn.Module) -> None:
    """Set weights that depend on nothing but their names and shapes, with batch norms far from their initial state."""
    for key, value in model.state_dict().items():
        if key.endswith("num_batches_tracked"):
            value.fill_(7)
        elif value.ndim > 1:
            value.copy_(noise(tuple(value.shape), key) * (3 / value[0].numel()) ** 0.5)
        elif key.endswith(("running_var", "weight")):
            value.copy_(1 + 0.5 * noise(tuple(value.shape), key))
        else:
            value.copy_(0.3 * noise(tuple(value.shape), key))


def sample(model: nn.Module, height: int, width: int) -> list[float]:
    with torch.no_grad():
        logits = model.eval()(noise((1, 3, height, width), "picture") * 2).flatten()
    return logits[:: len(logits) // 6][:6].tolist()


def digest(model: nn.Module) -> str:
    lines = sorted(f"{key} {tuple(value.shape)}\n" for key, value in model.state_dict().items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]


@pytest.mark.parametrize("name", PUBLISHED)
def test_layer_names_and_sizes(name: str) -> None:
    num_classes, parameters, names = PUBLISHED[name]
    with torch.device("meta"):
        model = create_model(name, num_classes)
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert digest(model) == names


@pytest.mark.parametrize("name", REFERENCE)
def test_outputs(name: str) -> None:
    size, expected = REFERENCE[name]
    with torch.device("meta"):
        model = create_model(name, 5)
    model.to_empty(device="cpu")
    fill(model)
    assert sample(model, *size) == pytest.approx(expected, abs=1e-4)


def training_outputs(model: nn.Module, x: Tensor) -> tuple[Tensor, ...]:
    """Return the tuple of training mode, but with batch norms and dropout as in evaluation mode."""
    model.eval()
    model.training = True
    with torch.no_grad():
        return model(x)


def test_auxiliary_output_is_torchvisions() -> None:
    theirs = torchvision.models.segmentation.fcn_resnet50(weights=None, weights_backbone=None, aux_loss=True).eval()
    fill(theirs)
    ours = create_model("fcn-resnet50", 21)
    ours.load_state_dict(convert_public_state_dict("fcn-resnet50", theirs.state_dict()))
    x = noise((1, 3, 33, 47), "picture")
    main, auxiliary = training_outputs(ours, x)
    with torch.no_grad():
        expected = theirs(x)
    assert torch.equal(main, expected["out"])
    assert torch.equal(auxiliary, expected["aux"])


def test_u2net_fuses_its_six_side_outputs_in_order() -> None:
    model = create_model("u2netp", 2)
    fused, *sides = training_outputs(model, noise((1, 3, 33, 47), "picture"))
    assert len(sides) == 6
    with torch.no_grad():
        assert torch.equal(fused, model.outconv(torch.cat(sides, 1)))


def test_deeplabv3plus_drops_a_tenth_in_the_pyramid() -> None:
    assert create_model("deeplabv3plus-resnet50", 2).classifier.aspp.project[3].p == 0.1


# How public checkpoints wrap and rename what the networks call by the reference's own names.
WRAPPED = {
    "unet": lambda state: {**state, "mask_values": [0, 1]},
    "pspnet-resnet50": lambda state: {"epoch": 100, "state_dict": {f"module.{k}": v for k, v in state.items()}},
    "deeplabv3plus-resnet50": lambda state: {"cur_itrs": 30000, "model_state": state, "best_score": 0.7},
    "fcn-resnet50": lambda state: {"model": state, "optimizer": {}, "epoch": 29},
    "u2netp": lambda state: state,
    "segformer-b0": lambda state: {"meta": {}, "state_dict": {**state, "decode_head.conv_seg.weight": None}},
}


@pytest.mark.parametrize("name", WRAPPED)
def test_public_checkpoints_load_strictly(name: str) -> None:
    with torch.device("meta"):
        model = create_model(name, 2)
    state = model.state_dict()
    converted = convert_public_state_dict(name, WRAPPED[name](state))
    assert converted.keys() == state.keys()
    assert all(converted[key] is state[key] for key in state)


TRANSFORMERS = {  # our names -> those in its files, those of its version 5 in memory; {i} counts stages from 0
    "backbone.patch_embed{n}.proj.": ("encoder.patch_embeddings.{i}.proj.", "stages.{i}.patch_embeddings.proj."),
    "backbone.patch_embed{n}.norm.": (
        "encoder.patch_embeddings.{i}.layer_norm.",
        "stages.{i}.patch_embeddings.layer_norm.",
    ),
    "backbone.block{n}.": ("encoder.block.{i}.", "stages.{i}.blocks."),
    "backbone.norm{n}.": ("encoder.layer_norm.{i}.", "stages.{i}.layer_norm."),
    "decode_head.linear_c{n}.": ("decode_head.linear_c.{i}.", "decode_head.linear_projections.{i}."),
    "decode_head.linear_fuse.conv.": ("decode_head.linear_fuse.", "decode_head.linear_fuse."),
    "decode_head.linear_fuse.bn.": ("decode_head.batch_norm.", "decode_head.batch_norm."),
    "decode_head.linear_pred.": ("decode_head.classifier.", "decode_head.classifier."),
    ".norm1.": (".layer_norm_1.", ".layernorm_before."),
    ".norm2.": (".layer_norm_2.", ".layernorm_after."),
    ".attn.q.": (".attention.self.query.", ".attention.q_proj."),
    ".attn.k.": (".attention.self.key.", ".attention.k_proj."),
    ".attn.v.": (".attention.self.value.", ".attention.v_proj."),
    ".attn.proj.": (".attention.output.dense.", ".attention.o_proj."),
    ".attn.sr.": (".attention.self.sr.", ".attention.sequence_reduction.sequence_reduction."),
    ".attn.norm.": (".attention.self.layer_norm.", ".attention.sequence_reduction.layer_norm."),
    ".mlp.fc1.": (".mlp.dense1.", ".mlp.fc1."),
    ".mlp.fc2.": (".mlp.dense2.", ".mlp.fc2."),
}


def as_transformers(state: dict[str, Tensor], version: int) -> dict[str, Tensor]:
    """Return our SegFormer state dict under the names of the transformers library, keys and values apart."""
    split = {}
    for key, value in state.items():
        if ".kv." in key:
            split[key.replace(".kv.", ".k.")], split[key.replace(".kv.", ".v.")] = value.chunk(2)
        else:
            split[key] = value
    renamed = {}
    for key, value in split.items():
        for ours, theirs in TRANSFORMERS.items():
            for i in range(4):
                key = key.replace(ours.format(n=i + 1), theirs[version].format(i=i))
        renamed[f"segformer.{key}" if key.startswith(("encoder.", "stages.")) else key] = value
    return renamed


@pytest.mark.parametrize("version", [0, 1], ids=["its files", "version 5 in memory"])
def test_transformers_checkpoints_load(version: int) -> None:
    state = create_model("segformer-b0", 3).state_dict()
    theirs = as_transformers(state, version)
    assert not any("attn" in key or "backbone" in key for key in theirs)
    converted = convert_public_state_dict("segformer-b0", theirs)
    assert converted.keys() == state.keys()
    assert all(torch.equal(converted[key], state[key]) for key in state)


def test_public_mit_encoders_load() -> None:
    state = {k: v for k, v in create_model("segformer-b0", 3).state_dict().items() if k.startswith("backbone.")}
    nvlabs = {key.removeprefix("backbone."): value for key, value in state.items()} | {"head.weight": torch.zeros(1)}
    transformers = as_transformers(state, 0) | {"classifier.weight": torch.zeros(1)}
    for theirs in (nvlabs, transformers):
        converted = convert_public_state_dict("segformer-b0", theirs)
        assert converted.keys() == state.keys()
        assert all(torch.equal(converted[key], state[key]) for key in state)


def test_conversion_for_an_unknown_architecture() -> None:
    with pytest.raises(UnknownNameError, match="did you mean unet"):
        convert_public_state_dict("unett", {})
