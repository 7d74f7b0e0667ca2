"""What importing carseg costs, and who may import whom."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import carseg

PACKAGE = Path(carseg.__file__).parent
HEAVY = {"torch", "torchvision", "timm", "numpy", "PIL", "requests", "huggingface_hub", "safetensors", "rich"}

# A module imports from its own layer and from those above it in this list. What is not listed has no place yet.
LAYERS = (
    "errors",
    "atomic card catalog extras hub integrity labels manifest options page records registry switches training_log"
    " walking",
    "architectures calibration checkpoint data distributed drawing image losses metrics normalising optim packing"
    " polygons result rle runtimes",
    "benchmark_page benchmark_report benchmark_rows benchmark_worker benchmarking distillation exporting finetuning"
    " measuring segmenter training training_report",
    "cli",
    "__main__",
)
# An architecture registers itself; the registry then imports its file when it is asked for.
DEFERRED = {("carseg.registry", "carseg.architectures.imagenet")}


@pytest.mark.parametrize(
    "statement",
    [
        "import carseg; carseg.list_models(); carseg.Options; carseg.CarsegError; carseg.list_architectures()",
        "import carseg.data",
        "from carseg.cli import main; main(['--version'])",
        "from carseg.cli import main; main(['--help'])",
        "from carseg.cli import main; main(['models'])",
        "from carseg.cli import main; main(['finetune', '--help'])",
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(statement):
    code = f"{statement}\nimport sys, json\nprint(json.dumps(sorted({{m.partition('.')[0] for m in sys.modules}})))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert HEAVY.isdisjoint(json.loads(run.stdout.splitlines()[-1]))


def test_the_version_needs_no_command_line_library():
    code = "from carseg.cli import main; main(['--version']); import sys; assert 'typer' not in sys.modules"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert run.stdout == f"carseg {carseg.__version__}\n"


@pytest.mark.parametrize("name", carseg.__all__)
def test_public_names_are_there(name):
    assert getattr(carseg, name) is not None
    assert name in dir(carseg)


def test_other_names_are_not():
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        carseg.lod  # noqa: B018


def test_no_module_bears_a_public_function_s_name():
    functions = {name for name in carseg.__all__ if callable(getattr(carseg, name))}
    assert functions.isdisjoint(path.stem for path in PACKAGE.iterdir())


def test_imports_run_one_way():
    layer = {name: number for number, names in enumerate(LAYERS) for name in names.split()}
    graph = dict(_graph())
    assert {_part(module) for module in graph} - {""} <= set(layer), "a new module needs a place in LAYERS"
    wrong = [
        f"{module} imports {target}"
        for module, targets in graph.items()
        for target in targets
        if _part(module) and _part(target) and layer[_part(target)] > layer[_part(module)]
    ]
    assert wrong == []
    TopologicalSorter(graph).prepare()  # raises CycleError


def _part(module: str) -> str:
    """The file or folder of the package that a module belongs to."""
    return module.removeprefix("carseg").removeprefix(".").partition(".")[0]


def _graph() -> Iterator[tuple[str, set[str]]]:
    """Every module and those of carseg that it imports, wherever in the file, but for type annotations only."""
    paths = {_name(path): path for path in PACKAGE.rglob("*.py")}
    for module, path in paths.items():
        targets = set()
        for name in _imported(ast.parse(path.read_text("utf-8"))):
            while name and name not in paths:  # the name of a function: its module
                name = name.rpartition(".")[0]
            if name and (module, name) not in DEFERRED:
                targets.add(name)
        yield module, targets - {module}


def _name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        for child in node.orelse:
            yield from _imported(child)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _imported(child)
