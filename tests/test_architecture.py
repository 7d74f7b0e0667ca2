"""The house: rooms with one door each, imports that run down, sockets and the cache in one room."""

from __future__ import annotations

import ast
import functools
import importlib
import re
from graphlib import TopologicalSorter
from pathlib import Path
from types import ModuleType

import pytest

import carseg

PACKAGE = Path(carseg.__file__).parent
ROOT = PACKAGE.parent
# From the top of the house to its ground; a room uses those below its own line.
STOREYS = (
    ("cli",),
    ("serving", "scale"),
    ("workflows",),
    ("training", "benchmarking", "exporting"),
    ("evaluation",),
    ("reporting",),
    ("inference",),
    ("data",),
    ("cars",),
    ("images",),
    ("runtimes",),
    ("hub",),
    ("architectures",),
    ("masks",),
)
ROOMS = {room: number for number, rooms in enumerate(STOREYS) for room in rooms}
# Rooms that lie below a room's line, and still are none of its business.
STRANGERS = {
    ("reporting", "inference"),
    ("reporting", "data"),
    ("reporting", "runtimes"),
    ("reporting", "hub"),
    ("data", "runtimes"),
    ("data", "hub"),
    ("data", "architectures"),
    ("cars", "images"),
    ("cars", "runtimes"),
    ("cars", "hub"),
    ("cars", "architectures"),
    ("images", "runtimes"),
    ("images", "hub"),
    ("images", "architectures"),
    ("runtimes", "masks"),
    ("hub", "masks"),
    ("architectures", "masks"),
}
FACTS = {"labels", "figures", "errors", "_files", "_env", "_arrays", "_lazy", "_label_sets", "_version"}
SOCKETS = {"socket", "requests", "urllib3", "urllib.request", "http.client", "huggingface_hub"}
OUTSIDE = ("recipes", "experiments", "benchmarks", "docs", "examples")


@functools.cache
def modules() -> dict[str, Path]:
    """Return every module of the package by its full name."""
    return {_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def _name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@functools.cache
def imports(path: Path) -> list[tuple[str, str]]:
    """Return module and name of everything a file imports, wherever in the file, for type annotations too."""
    found: list[tuple[str, str]] = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found += ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found += ((node.module or "", alias.name) for alias in node.names)
    return found


def room_of(module: str) -> str:
    """Return ``hub`` for ``carseg.hub.cache``."""
    return module.removeprefix("carseg").removeprefix(".").partition(".")[0]


def within(module: str) -> list[tuple[str, str]]:
    """Return what a module of the package imports from the package itself."""
    return [(source, name) for source, name in imports(modules()[module]) if source.split(".")[0] == "carseg"]


def test_the_package_holds_the_rooms_and_the_facts_alone():
    there = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert there == {*ROOMS, *FACTS, "__init__", "__main__"}


def test_a_door_names_what_it_lets_through_and_does_nothing_itself():
    for room in ROOMS:
        door = ast.parse((PACKAGE / room / "__init__.py").read_text("utf-8"))
        assert ast.get_docstring(door), room
        assert not [node for node in ast.walk(door) if isinstance(node, (ast.FunctionDef, ast.ClassDef))], room
        module = importlib.import_module(f"carseg.{room}")
        assert module.__all__ == sorted(module.__all__, key=_as_ruff_sorts), room
        for name in module.__all__:
            assert getattr(module, name) is not None
            assert name in dir(module)


def _as_ruff_sorts(name: str) -> tuple[int, str]:
    """Return a key that sorts constants first, then classes, then the rest."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


@pytest.mark.parametrize("room", ROOMS)
def test_a_door_leads_to_things_not_to_files(room):
    """A function may be called like its file: whichever is imported first, the door gives the function."""
    for path in (PACKAGE / room).rglob("*.py"):
        importlib.import_module(_name(path))
    door = importlib.import_module(f"carseg.{room}")
    files = {name for name in door.__all__ if isinstance(getattr(door, name), ModuleType)}
    # Used as namespaces: rle.encode, draw.overlay.
    assert files <= {"components", "coverage", "cpu", "draw", "grids", "polygons", "rle"}


def test_only_doors_are_imported_from_outside_a_room():
    """The package's own door apart, which tells type checkers a function from the file of its name."""
    wrong = [
        f"{module} imports {source}.{name}"
        for module in modules()
        if module != "carseg"
        for source, name in within(module)
        if room_of(source) in ROOMS and room_of(source) != room_of(module) and source.count(".") > 1
    ]
    assert wrong == []


def test_what_is_imported_through_a_door_is_named_there():
    wrong = [
        f"{module} imports {source}.{name}"
        for module in modules()
        for source, name in within(module)
        if source.count(".") == 1 and room_of(source) in ROOMS and room_of(source) != room_of(module)
        if name not in importlib.import_module(source).__all__
    ]
    assert wrong == []


def test_imports_run_down_the_house():
    wrong = []
    for module in modules():
        here = room_of(module)
        for source, _ in within(module):
            there = room_of(source)
            if here in FACTS and there not in FACTS:
                wrong.append(f"{module} is a fact and imports {source}")
            elif here in ROOMS and there == "":
                wrong.append(f"{module} imports the package itself")
            elif {here, there} <= ROOMS.keys() and here != there and not _may_use(here, there):
                wrong.append(f"{module} imports {source}")
    assert wrong == []


def _may_use(here: str, there: str) -> bool:
    return ROOMS[there] > ROOMS[here] and (here, there) not in STRANGERS


def test_no_import_goes_in_a_circle():
    paths = modules()
    graph: dict[str, set[str]] = {module: set() for module in paths}
    for module in paths:
        for source, name in within(module):
            target = f"{source}.{name}" if f"{source}.{name}" in paths else source
            if target != module and not module.startswith(f"{target}."):  # a room's own door knows its files
                graph[module].add(target)
    TopologicalSorter(graph).prepare()  # raises CycleError


def test_sockets_and_the_cache_are_the_hub_s():
    opened = [
        f"{module} imports {source}"
        for module, path in modules().items()
        for source, _ in imports(path)
        if source in SOCKETS or source.split(".")[0] in SOCKETS
        if room_of(module) != "hub"
    ]
    assert opened == []
    cached = [module for module in modules() if "cache_folder" in {name for _, name in within(module)}]
    assert cached == ["carseg.hub.cache"]


def test_nobody_s_module_is_replaced():
    replaced = re.compile(r"sys\.modules(\[[^\]]+\] *=[^=]|\.(setdefault|update|pop)\()|del sys\.modules")
    assert [module for module, path in modules().items() if replaced.search(path.read_text("utf-8"))] == []


def test_environment_variables_are_read_in_one_file():
    readers = {
        module
        for module, path in modules().items()
        if re.search(r"environ\b(?!\.setdefault)|getenv", path.read_text("utf-8"))
    }
    assert readers == {"carseg._env"}


@pytest.mark.parametrize("folder", OUTSIDE)
def test_what_lies_outside_the_package_uses_public_names(folder):
    wrong = []
    for path in (ROOT / folder).rglob("*.py"):
        for source, name in imports(path):
            if source == "carseg":
                known = name in (*carseg.__all__, *ROOMS, "")
            elif source.startswith("carseg."):
                part = source.removeprefix("carseg.")
                known = part in {"labels", "figures", "errors"} or (
                    part in ROOMS and name in importlib.import_module(source).__all__
                )
            else:
                continue
            if not known:
                wrong.append(f"{path.name} imports {source} {name}")
    assert wrong == []


def test_files_and_functions_can_be_read_at_a_glance():
    long = []
    for module, path in modules().items():
        text = path.read_text("utf-8")
        if len(text.splitlines()) > 350:
            long.append(module)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= 60:
                long.append(f"{module}.{node.name}")
    assert long == []
