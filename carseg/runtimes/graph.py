"""Graphs of the architectures, which travel with the package: ONNX files without weights, filled from a weights file.

``graphs/NAME.onnx`` is what ``carseg.runtimes.build`` makes of an architecture, ``graphs/NAME.json`` says which
tensors it wants and how they come from a state dict. So a network starts without torch, and without being converted.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from carseg._files import replacing
from carseg.hub import Array, Kind, check_fit, kinds
from carseg.runtimes.norms import Norm, fuse_norms
from carseg.runtimes.onnx_pieces import additions, declaration
from carseg.runtimes.rounding import round_weights

INPUT_NAME, OUTPUT_NAME = "pictures", "logits"  # fixed: every file exported so far has these names
GRAPHS = Path(__file__).parent / "graphs"
COUNTER = ".num_batches_tracked"  # ends the names of the tensors that are no floating numbers

Size = int | str  # "C": the number of classes; "4C": four times that; any other text: free
Sizes = tuple[Size, ...]


@dataclass(frozen=True)
class Graph:
    """An ONNX file without weights, for any number of classes.

    Attributes:
        content: the file.
        input: sizes of the input.
        output: sizes of the output.
        training_only: submodules that the graph lacks.
        state: sizes of the tensors in a weights file.
        norms: the batch norms that are fused, by the name of the convolution before each.
        rounded: the weights that are rounded for bfloat16 after that, with the axis of their output channels.
        tensors: the file's tensors by name: the name of the weight, and the order of its axes.
        numbers: whole numbers in the graph that depend on the number of classes, by name.
    """

    content: bytes
    input: Sizes
    output: Sizes
    training_only: tuple[str, ...]
    state: dict[str, Sizes]
    norms: dict[str, Norm]
    rounded: dict[str, int]
    tensors: dict[str, tuple[str, tuple[int, ...]]]
    numbers: dict[str, Sizes]

    def fill(self, weights: Mapping[str, Array], classes: int, source: Path, *, bfloat16: bool = False) -> bytes:
        """Return the content of a whole ONNX file.

        Args:
            weights: the tensors of a weights file.
            classes: number of classes that they are for.
            source: the name of the weights file in an error.
            bfloat16: round the weights that are computed in bfloat16 to numbers that it has.

        Raises:
            WeightsError: the weights are those of another network.
        """
        heads = tuple(f"{name}." for name in self.training_only)
        weights = {name: value for name, value in weights.items() if not name.startswith(heads)}
        shapes = {name: tuple(map(int, sized(sizes, classes))) for name, sizes in self.state.items()}
        wanted = {name: Kind(shape, not name.endswith(COUNTER)) for name, shape in shapes.items()}
        check_fit(wanted, kinds(weights), source)
        weights = fuse_norms(weights, self.norms)
        if bfloat16:
            weights = round_weights(weights, self.rounded)
        tensors = {name: weights[key].transpose(axes) for name, (key, axes) in self.tensors.items()}
        numbers = {name: np.array(sized(sizes, classes), np.int64) for name, sizes in self.numbers.items()}
        inputs = [declaration(INPUT_NAME, sized(self.input, classes))]
        outputs = [declaration(OUTPUT_NAME, sized(self.output, classes))]
        return self.content + additions(tensors | numbers, inputs, outputs)

    def save(self, stem: Path) -> None:
        """Write ``stem``.onnx and ``stem``.json."""
        described = {name: value for name, value in vars(self).items() if name != "content"}
        content, description = _files(stem)
        with replacing(content) as partial:
            partial.write_bytes(self.content)
        with replacing(description) as partial:
            partial.write_text(json.dumps(described, separators=(",", ":")) + "\n", "utf-8")


@functools.cache
def find_graph(architecture: str, channels: int = 3, *, split: bool = False) -> Graph | None:
    """Return an architecture's graph; None where none travels with the package, as of architectures of one's own.

    Args:
        architecture: its name.
        channels: those of its images.
        split: that with convolutions in parts, where that makes a difference; see ``carseg.runtimes.processor``.
    """
    there = {path.stem for path in GRAPHS.glob("*.onnx")}
    name = f"{architecture}.split" if split and f"{architecture}.split" in there else architecture
    graph = read_graph(GRAPHS / name) if name in there else None
    return graph if graph is None or graph.input[1] == channels else None


def read_graph(stem: Path) -> Graph:
    """Return what ``Graph.save`` wrote."""
    content, description = _files(stem)
    fields = json.loads(description.read_text("utf-8"))
    fields["norms"] = {conv: Norm(*norm) for conv, norm in fields["norms"].items()}
    return Graph(content.read_bytes(), **fields)


def _files(stem: Path) -> tuple[Path, Path]:
    return stem.with_name(f"{stem.name}.onnx"), stem.with_name(f"{stem.name}.json")


def sized(sizes: Sizes, classes: int) -> tuple[Size, ...]:
    """Return sizes for a number of classes; free ones keep their names."""
    return tuple(
        int(size[:-1] or 1) * classes if isinstance(size, str) and size.endswith("C") else size for size in sizes
    )
