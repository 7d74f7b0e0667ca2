"""Graphs that travel with the package: filled with weights they are the network, and no torch is needed for that."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from carseg.architectures import Network, find_builder
from carseg.errors import WeightsError
from carseg.hub import ROOT, load_manifest, read_tensors
from carseg.hub.checkpoint import save_state
from carseg.hub.create import create_model
from carseg.runtimes.build import build_graph
from carseg.runtimes.fuse import fuse_conv_bn
from carseg.runtimes.graph import GRAPHS, Graph, find_graph, read_graph, sized
from carseg.runtimes.onnx_pieces import additions, declaration
from carseg.runtimes.processor import prepare_for_processor

from entries import start
from networks import give_norms_work

onnx = pytest.importorskip("onnx", reason="pip install 'carseg[onnx]' for the graphs")
pytest.importorskip("onnxruntime", reason="pip install 'carseg[onnx]' for the graphs")

STEMS = sorted(path.stem for path in GRAPHS.glob("*.onnx"))
DEEPER = {"resnest101-unet", "resnest200-unet", "u2net"}  # more layers of what smaller ones are made of
PUBLISHED = load_manifest().weights
EMBEDDED = sorted(name for name, info in PUBLISHED.items() if info.embedded and info.input.channels == 3)
LARGEST = 5_000_000  # bytes of all graphs together
PREDICT = """
import sys
from carseg.cli import main
status = main(["predict", "car.jpg", "--runtime", {runtime!r}, "--model", {model!r}, "--device", "cpu"])
assert status == 0 and not {{"torch", "timm", "onnx", "onnxscript"}} & set(sys.modules), sorted(sys.modules)
"""


def network_of(stem: str, classes: int) -> Network:
    """Return an architecture's network with random weights, without training heads."""
    graph = read_graph(GRAPHS / stem)
    torch.manual_seed(0)
    network = create_model(stem.removesuffix(".split"), classes, in_channels=graph.input[1]).eval()
    network.drop_training_heads()
    give_norms_work(network)
    return network


def arrays(network: Network) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in network.state_dict().items()}


def run(content: bytes, x: np.ndarray) -> np.ndarray:
    from carseg.runtimes import OnnxRuntime

    return OnnxRuntime(content, "float32", threads=1)(x)


@pytest.mark.parametrize("stem", [stem for stem in STEMS if stem.removesuffix(".split") not in DEEPER])
def test_a_filled_graph_is_the_network_for_any_classes_and_sizes(stem: str) -> None:
    network, graph = network_of(stem, 3), read_graph(GRAPHS / stem)
    content = graph.fill(arrays(network), 3, Path("weights"))
    [output] = onnx.load_from_string(content).graph.output
    assert [dim.dim_value for dim in output.type.tensor_type.shape.dim] == [0, 3, 0, 0]
    for size in ((2, 64, 96), (1, 71, 45)):
        x = np.random.default_rng(0).standard_normal((size[0], graph.input[1], *size[1:]), np.float32)
        with torch.inference_mode():
            wanted = network(torch.from_numpy(x)).numpy()
        np.testing.assert_allclose(run(content, x), wanted, rtol=0, atol=1e-4 * max(1, abs(wanted).max()))


def test_a_graph_is_what_the_code_builds_now() -> None:
    pytest.importorskip("onnxscript", reason="pip install 'carseg[onnx]' for building graphs")
    stored = read_graph(GRAPHS / "refinement-unet")
    built = build_graph("refinement-unet", channels=4)
    assert built is not None
    described = [json.loads(json.dumps({**vars(graph), "content": operations(graph)})) for graph in (stored, built)]
    assert described[0] == described[1], "run `python -m recipes.graphs`"


def operations(graph: Graph) -> list[list[object]]:
    """Return what a graph computes; another version of the exporter may note more about it."""
    nodes = onnx.load_from_string(graph.content).graph.node
    return [[node.op_type, *node.input, *node.output, *sorted(map(str, node.attribute))] for node in nodes]


@pytest.mark.parametrize("stem", STEMS)
def test_a_graph_takes_the_weights_of_the_network(stem: str) -> None:
    graph = read_graph(GRAPHS / stem)
    with torch.device("meta"):
        network = find_builder(stem.removesuffix(".split"))(3, graph.input[1])
    network.drop_training_heads()
    wanted = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert {name: sized(sizes, 3) for name, sizes in graph.state.items()} == wanted


def test_every_published_weight_has_a_graph_and_all_are_small() -> None:
    assert {info.architecture for info in PUBLISHED.values()} <= set(STEMS)
    assert sum(path.stat().st_size for path in GRAPHS.iterdir()) < LARGEST


@pytest.mark.parametrize("stem", ["fpn-mobilenetv2", "refinement-unet"])
def test_weights_for_bfloat16_are_those_of_torch_bit_by_bit(stem: str) -> None:
    network, graph = network_of(stem, 2), read_graph(GRAPHS / stem)
    filled = onnx.load_from_string(graph.fill(arrays(network), 2, Path("weights"), bfloat16=True))
    last = fuse_conv_bn(network, graph.input[1])
    prepare_for_processor(network, torch.device("cpu"), torch.bfloat16, last=last)
    wanted, compared = arrays(network), 0
    for tensor in filled.graph.initializer:
        if tensor.name in graph.tensors:
            key, axes = graph.tensors[tensor.name]
            assert np.array_equal(onnx.numpy_helper.to_array(tensor), wanted[key].transpose(axes)), tensor.name
            compared += 1
    assert compared == len(graph.tensors)


def test_other_weights_are_refused(tmp_path: Path) -> None:
    graph, file = read_graph(GRAPHS / "refinement-unet"), tmp_path / "model.safetensors"
    save_state(file, network_of("refinement-unet", 2))
    tensors = read_tensors(file)
    for changed, reason in (
        ({**tensors, "extra": tensors["stem.0.weight"]}, "it has, but should not, extra"),
        ({name: value for name, value in tensors.items() if name != "stem.0.weight"}, "it lacks stem.0.weight"),
        ({**tensors, "classifier.bias": tensors["classifier.bias"][:3]}, "has in another shape classifier.bias"),
    ):
        with pytest.raises(WeightsError, match=f"made for another network: {reason}|{reason}"):
            graph.fill(changed, 2, file)


def test_an_architecture_of_one_s_own_has_none() -> None:
    assert find_graph("nearest-color") is None
    assert find_graph("../graphs/u2netp") is None
    assert find_graph("u2netp", channels=4) is None


def test_a_file_is_put_together_as_onnx_reads_it() -> None:
    values = {
        "weights": np.arange(300, dtype=np.float32).reshape(3, 100).T,  # not contiguous, more than 127 bytes
        "numbers": np.array([1, 200, 1 << 40]),
        "none": np.zeros((0, 2), np.float32),
    }
    start = onnx.ModelProto(ir_version=10, graph=onnx.GraphProto(name="main")).SerializeToString()
    content = start + additions(values, [declaration("x", ("n", 3, "h", 300))], [declaration("y", (1,))])
    model = onnx.load_from_string(content)
    assert (model.ir_version, model.graph.name) == (10, "main")
    for tensor in model.graph.initializer:
        assert np.array_equal(onnx.numpy_helper.to_array(tensor), values[tensor.name])
    [x], [y] = model.graph.input, model.graph.output
    assert [dim.dim_param or dim.dim_value for dim in x.type.tensor_type.shape.dim] == ["n", 3, "h", 300]
    assert (x.name, y.name, y.type.tensor_type.elem_type) == ("x", "y", onnx.TensorProto.FLOAT)


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
@pytest.mark.parametrize("model", EMBEDDED[:1])
def test_the_first_prediction_needs_neither_torch_nor_a_cache(runtime: str, model: str, tmp_path: Path) -> None:
    pytest.importorskip({"onnx": "onnxruntime"}.get(runtime, runtime))
    (tmp_path / "car.jpg").write_bytes((ROOT / "examples" / "car.jpg").read_bytes())
    (tmp_path / "file").touch()
    places = {"CARSEG_CACHE": str(tmp_path / "file" / "cache"), "PYTHONPATH": str(ROOT)}
    process = start(PREDICT.format(runtime=runtime, model=model), cwd=tmp_path, **places)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
