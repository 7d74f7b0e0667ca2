"""Weights files: encodings, strict loading, heads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from carseg.architectures.network import Network
from carseg.architectures.registry import register
from carseg.errors import OptionError, WeightsError
from carseg.hub.checkpoint import encode, load_into, read_state, replace_head, save_state
from carseg.hub.manifest import ROOT
from carseg.hub.tensors import decode


def decoded(state: dict[str, Tensor]) -> dict[str, Tensor]:
    arrays = decode({key: value.numpy() for key, value in state.items()})
    return {key: torch.from_numpy(value) for key, value in arrays.items()}


class Tiny(Network):
    """One of each kind of layer, and a head for training."""

    training_only = ("aux",)
    loss_weights = (1.0, 0.4)

    def __init__(self, num_classes: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.bn = nn.BatchNorm2d(8)
        self.up = nn.ConvTranspose2d(8, 6, 2, stride=2)
        self.linear = nn.Linear(6, 6)
        self.head = nn.Conv2d(6, num_classes, 1)
        self.aux: nn.Module | None = nn.Conv2d(6, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.up(self.bn(self.conv(x)))
        return self.head(self.linear(x.movedim(1, -1)).movedim(-1, 1))


register("tiny")(lambda num_classes, in_channels: Tiny(num_classes))


@pytest.fixture
def model() -> Tiny:
    torch.manual_seed(0)
    tiny = Tiny()
    tiny(torch.randn(2, 3, 8, 8))  # so that the batch norm has counted something
    return tiny.eval()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


def test_float32_comes_back_bit_for_bit(model: Tiny, path: Path) -> None:
    save_state(path, model, storage="float32")
    other = Tiny().eval()
    load_into(other, path)
    own = {key: value for key, value in model.state_dict().items() if not key.startswith("aux.")}
    assert other.state_dict().keys() == own.keys()
    assert all(torch.equal(value, other.state_dict()[key]) for key, value in own.items())
    assert other.bn.num_batches_tracked.item() == 1
    image = torch.randn(1, 3, 8, 8)
    assert torch.equal(model(image), other(image))


@pytest.mark.parametrize("storage", ["int8", "float16"])
def test_encodings_are_near_and_small(model: Tiny, path: Path, storage: str) -> None:
    state = encode(model, storage)
    for key, value in decoded(state).items():
        exact = model.state_dict()[key]
        if exact.ndim < 2:
            assert torch.equal(value, exact)
            continue
        assert state[key].dtype == (torch.int8 if storage == "int8" else torch.float16)
        assert value.dtype == torch.float32
        axis = 1 if key == "up.weight" else 0
        largest = exact.abs().amax([d for d in range(exact.ndim) if d != axis], keepdim=True)
        assert ((value - exact).abs() <= largest / 254 * 1.001).all()


def test_int8_has_a_scale_for_each_output_channel(model: Tiny) -> None:
    state = encode(model, "int8")
    assert state["conv.weight.int8_scale"].shape == (8, 1, 1, 1)
    assert state["up.weight.int8_scale"].shape == (1, 6, 1, 1)
    assert state["linear.weight.int8_scale"].shape == (6, 1)
    assert state["conv.weight"].abs().amax((1, 2, 3)).eq(127).all()


def test_channel_of_zeros_stays_zero(model: Tiny) -> None:
    with torch.no_grad():
        model.conv.weight[2] = 0
    assert decoded(encode(model, "int8"))["conv.weight"][2].eq(0).all()


def test_some_tensors_in_float16(model: Tiny) -> None:
    state = encode(model, "int8", keep_float16=("head.*", "linear.weight"))
    assert state["head.weight"].dtype == state["linear.weight"].dtype == torch.float16
    assert state["head.bias"].dtype == torch.float32
    assert "head.weight.int8_scale" not in state
    with pytest.raises(OptionError, match=r"no tensor is called 'haed\.\*'"):
        encode(model, "int8", keep_float16=("haed.*",))
    with pytest.raises(OptionError, match="unknown storage 'int4'"):
        encode(model, "int4")


def test_broken_weights_are_not_stored(model: Tiny, path: Path) -> None:
    with torch.no_grad():
        model.linear.weight[0, 0] = 1e6
    with pytest.raises(WeightsError, match=r"'linear\.weight' holds .* too large for torch\.float16"):
        save_state(path, model, storage="float16")
    for storage in ("int8", "float32"):
        with torch.no_grad():
            model.linear.weight[0, 0] = float("nan")
        with pytest.raises(WeightsError, match=r"'linear\.weight' holds NaN"):
            save_state(path, model, storage=storage)
    assert not any(path.parent.iterdir())


def test_failed_write_leaves_the_old_file(model: Tiny, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_state(path, model)
    before = path.read_bytes()

    def fail(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="No space left"):
        save_state(path, Tiny())
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_metadata_is_stored(model: Tiny, path: Path) -> None:
    save_state(path, model, metadata={"name": "tiny"})
    with safetensors.safe_open(path, "pt") as file:
        assert file.metadata() == {"format": "pt", "name": "tiny"}


def test_training_heads_follow_the_file(model: Tiny, path: Path) -> None:
    save_state(path, model)
    assert not any(key.startswith("aux") for key in read_state(path))
    without = Tiny()
    load_into(without, path)
    assert without.aux is None
    safetensors.torch.save_file(dict(model.state_dict()), path)
    with_head = Tiny()
    load_into(with_head, path)
    assert torch.equal(with_head.aux.weight, model.aux.weight)


def test_model_on_the_meta_device_is_filled(model: Tiny, path: Path) -> None:
    save_state(path, model, storage="float32")
    with torch.device("meta"):
        empty = Tiny().eval()
    load_into(empty, path)
    image = torch.randn(1, 3, 8, 8)
    assert torch.equal(model(image), empty(image))


def test_file_for_another_network_is_refused(model: Tiny, path: Path) -> None:
    state = {key: value for key, value in model.state_dict().items() if not key.startswith(("aux.", "bn."))}
    state["extra"] = torch.zeros(2)
    state["head.weight"] = torch.zeros(5, 6, 1, 1)
    safetensors.torch.save_file(state, path)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(WeightsError) as caught:
        load_into(model, path)
    assert str(caught.value) == (
        f"{path} was made for another network: it lacks bn.weight, bn.bias, bn.running_mean and 2 more; "
        "it has, but should not, extra; it has in another shape head.weight (5, 6, 1, 1) instead of (3, 6, 1, 1)"
    )
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_every_type_of_numbers_is_read(path: Path) -> None:
    types = (torch.bfloat16, torch.float16, torch.float32, torch.float64, torch.uint8, torch.int64, torch.bool)
    stored = {str(dtype): torch.tensor([[0, 1, 2], [3, 100, 200]]).to(dtype) for dtype in types}
    safetensors.torch.save_file(stored, path)
    for key, value in read_state(path).items():
        wanted = stored[key].float() if stored[key].is_floating_point() else stored[key]
        assert value.dtype == wanted.dtype and torch.equal(value, wanted)
    safetensors.torch.save_file({"a": torch.ones(2).to(torch.float8_e5m2)}, path)
    with pytest.raises(WeightsError, match="tensors of type F8_E5M2: store them as float32"):
        read_state(path)


def test_files_that_cannot_be_read(model: Tiny, path: Path) -> None:
    with pytest.raises(WeightsError, match="no such file"):
        read_state(path)
    save_state(path, model)
    whole = path.read_bytes()
    for content in (whole[:-1], whole[:50], b"", b"\x80\x04 a pickle under another name", whole + b"more"):
        path.write_bytes(content)
        with pytest.raises(WeightsError, match=r"model\.safetensors is not a whole safetensors file"):
            read_state(path)
    with pytest.raises(WeightsError, match="is a pickle"):
        read_state(path.with_suffix(".pth"))


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"a": torch.zeros(2, 2, dtype=torch.int8)}, "int8 tensor 'a' has no scale"),
        ({"a.int8_scale": torch.ones(2, 1)}, "scale 'a.int8_scale' has no tensor"),
        (
            {"a": torch.zeros(2, 2, dtype=torch.int8), "a.int8_scale": torch.ones(3, 1)},
            "scale 'a.int8_scale' does not fit its tensor",
        ),
    ],
)
def test_int8_without_a_fitting_scale(path: Path, state: dict[str, Tensor], message: str) -> None:
    safetensors.torch.save_file(state, path)
    with pytest.raises(WeightsError) as caught:
        read_state(path)
    assert str(caught.value) == f"{path}: {message}"


@pytest.mark.parametrize("storage", ["float32", "float16", "int8"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_nan_and_infinity_are_refused_by_the_name_of_the_tensor(
    model: Tiny, path: Path, storage: str, value: float
) -> None:
    state = encode(model, storage)
    key = "conv.weight.int8_scale" if storage == "int8" else "conv.weight"
    state[key].view(-1)[-1] = value
    safetensors.torch.save_file(state, path)
    with pytest.raises(WeightsError, match=rf"{path}: tensor 'conv.weight' holds NaN or infinity"):
        load_into(model, path)


def test_other_classes_get_a_new_head(model: Tiny) -> None:
    other = Tiny(num_classes=5)
    fresh = other.head.weight.clone()
    new = replace_head(other, model.state_dict(), "tiny", "file")
    assert new == ["head.weight", "head.bias", "aux.weight", "aux.bias"]
    assert torch.equal(other.head.weight, fresh)
    assert torch.equal(other.conv.weight, model.conv.weight)
    assert replace_head(Tiny(), encode(model, "float32"), "tiny", "file") == ["aux.weight", "aux.bias"]


def test_only_the_head_may_be_another(model: Tiny) -> None:
    state = model.state_dict()
    for wrong, message in (
        ({"something.weight": torch.zeros(1)}, "file was made for another network: it lacks conv.weight"),
        (state | {"conv.weight": torch.zeros(8, 4, 3, 3)}, r"in another shape conv.weight \(8, 4, 3, 3\) instead of"),
        ({key: value for key, value in state.items() if key != "head.bias"}, "it lacks head.bias"),
    ):
        other = Tiny(num_classes=5)
        before = other.conv.bias.clone()
        with pytest.raises(WeightsError, match=message):
            replace_head(other, wrong, "tiny", "file")
        assert torch.equal(other.conv.bias, before)


def test_loading_the_compact_network_imports_neither_timm_nor_torchvision(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from carseg.hub import create_model, load_into;"
        "from carseg.hub.checkpoint import save_state;"
        f"path = Path({str(path)!r}); save_state(path, create_model('unet-mobilenetv2', 2));"
        "load_into(create_model('unet-mobilenetv2', 2), path);"
        "print(sorted({'timm', 'torchvision', 'requests', 'huggingface_hub'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_pickle_is_refused_however_its_name_is_written(path: Path) -> None:
    with pytest.raises(WeightsError, match="is a pickle"):
        read_state(path.with_suffix(".PTH"))


def test_a_scale_of_other_dimensions_does_not_fit(path: Path) -> None:
    state = {"a": torch.zeros(2, 2, dtype=torch.int8), "a.int8_scale": torch.ones(1)}
    with pytest.raises(WeightsError, match="does not fit its tensor"):
        decoded(state)
