"""The graphs of the architectures, which travel with the package: written anew, as its code makes them now.

python -m recipes.graphs                   all of them, in a quarter of an hour
python -m recipes.graphs ARCHITECTURE...   these

Needed when an architecture or its conversion changes. A network whose graph is missing still starts, through torch.
"""

from __future__ import annotations

import sys

from carseg.architectures import list_architectures
from carseg.hub import load_manifest
from carseg.runtimes import GRAPHS, build_graph


def channels(architecture: str) -> int:
    """Return the channels of the images that an architecture's weights are for."""
    stated = {info.architecture: info.input.channels for info in load_manifest().weights.values()}
    return stated.get(architecture, 3)


if __name__ == "__main__":
    for name in sys.argv[1:] or list_architectures():
        for split in (False, True):
            graph = build_graph(name, channels=channels(name), split=split)
            if graph is not None:
                graph.save(GRAPHS / (f"{name}.split" if split else name))
                print(name, len(graph.content))
