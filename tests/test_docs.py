"""The documentation as someone follows it: snippets and examples run, commands parse."""

from __future__ import annotations

import itertools
import json
import re
import runpy
import shlex
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from PIL import Image

import carseg
from carseg.cli import app, process
from carseg.cli.main import main
from carseg.hub.manifest import ROOT
from carseg.images import example_image
from carseg.training import start_network

from documents import BLOCK, DOCS, PAGES, TEXTS, name_of, with_weights
from drawn_car import drawn, write_sideless
from drawn_data import draw_image, draw_mask, save
from modules import module
from written_labels import write_labelme

EXAMPLES = sorted(path for path in (ROOT / "examples").glob("*.py") if path.stem != "draw_drive")  # it draws a video
_FOLDERS = (DOCS / "snippets", ROOT / "examples")  # where mkdocs.yml looks for what pages include
_ENGINES = {  # what snippets need that is no extra of carseg
    "ray_data.py": ["ray"],
    "ray_serve.py": ["ray", "aiohttp_cors"],  # the second comes with ray[serve]
    "spark.py": ["pyspark"],
    "dask_frames.py": ["dask", "distributed"],
    "webdataset_tars.py": ["webdataset"],
    "triton.py": ["tritonclient"],
}
_INCLUDE = re.compile(r'^ *--8<-- "([^":]+)(?::\w+)?"$', re.MULTILINE)


def included(name: str) -> Path:
    return next(folder / name for folder in _FOLDERS if (folder / name).exists())


def blocks(page: Path, language: str) -> Iterator[str]:
    """Yield the code blocks of a page, with what they include."""
    for match in BLOCK.finditer(page.read_text("utf-8")):
        if match[2] == language:
            yield _INCLUDE.sub(lambda include: included(include[1]).read_text("utf-8"), match[3])


def commands(page: Path) -> Iterator[list[str]]:
    """Yield the arguments of every ``carseg`` line in the shell blocks of a page."""
    for block in blocks(page, "sh"):
        for line in block.splitlines():
            words = without_variables(shlex.split(line.partition(" > ")[0], comments=True))[1]
            if words[:1] == ["carseg"]:
                yield words[1:]


def without_variables(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """Return the variables and the command of ``A=1 carseg ...``."""
    count = next((i for i, word in enumerate(words) if not re.match(r"[A-Z_]+=", word)), len(words))
    return dict(word.split("=", 1) for word in words[:count]), words[count:]


def parse(arguments: list[str]) -> None:
    """Parse a command line as the app would; raise what the app would print."""
    command: Any = typer.main.get_command(app)
    rest = list(arguments)
    while hasattr(command, "commands"):
        flags = list(itertools.takewhile(lambda word: word.startswith("-"), rest))
        assert {*flags} <= {name for parameter in command.params for name in parameter.opts}
        command, rest = command.commands[rest[len(flags)]], rest[len(flags) + 1 :]
    with command.make_context(command.name, rest):
        pass


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return one cache for all tests: converting a network to ONNX takes longer than most pages."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def here(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with what the pages use: an image, folders of images, labelled ones, a video, a checkpoint."""
    car = ROOT / "examples" / "car.jpg"
    with Image.open(car) as image:
        small = image.resize((320, 240))
    for name in ("img.jpg", "showroom.jpg", "images/a.jpg", "images/side/b.jpg", "more/c.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        small.save(tmp_path / name)
    draw_own_photographs(small, tmp_path)
    with tarfile.open(tmp_path / "photos.tar", "w") as photos:
        photos.add(tmp_path / "img.jpg", "img.jpg")
    for i in range(6):
        mask = draw_mask(i)
        save(tmp_path / "labelled" / "images" / f"{i}.png", draw_image(mask))
        save(tmp_path / "labelled" / "masks" / f"{i}.png", mask)
        save(tmp_path / "survey" / "photos" / f"{i}.png", draw_image(mask))
        save(tmp_path / "survey" / "checked" / f"{i}.png", mask)
    write_labelme(tmp_path / "outlines" / "a.json", "a.png")
    for name in ("a", "bare"):
        save(tmp_path / "outlines" / f"{name}.png", draw_image(mask))
    for folder in ("labelled", "survey"):
        (tmp_path / folder / "classes.txt").write_text("background\nhood\nwheel\n")
    write_sideless(tmp_path / "sideless", a=drawn("front-left"), b=drawn("rear-right"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CARSEG_CACHE", str(cache))
    for name in ("CARSEG_HUB", "CARSEG_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(process, "prepare", lambda: None)  # settings of this process are the test runner's
    monkeypatch.setattr(module("training.finetuning"), "start_network", start_small)
    return tmp_path


def start_small(*arguments: Any, **options: Any) -> Any:
    """Start a training on small images: the pages do not say what it learns from six."""
    network, provenance, new = start_network(*arguments, **options)
    return network, replace(provenance, input=replace(provenance.input, size=(64, 96))), new


def draw_own_photographs(car: Image.Image, folder: Path) -> None:
    """Write photographs of which no two show nearly the same: windows of a car, those set aside mirrored."""
    windows = [(0, 0, 320, 240), (0, 0, 200, 240), (120, 0, 320, 240), (40, 60, 280, 240), (60, 30, 260, 210)]
    for number, window in enumerate(windows):
        place = folder / ("aside" if number > 2 else "photos") / f"{number}.jpg"
        place.parent.mkdir(exist_ok=True)
        picture = car.crop(window)
        (picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if number > 2 else picture).save(place)


def draw_drive(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw the video of the pages, with the example that they name."""
    pytest.importorskip("av", reason="pip install 'carseg[video]' for the page on videos")
    monkeypatch.setattr(sys, "argv", ["draw_drive.py", str(path), "--seconds", "1"])
    runpy.run_path(str(ROOT / "examples" / "draw_drive.py"), run_name="__main__")


def run_on_engine(snippet: Path) -> None:
    """Run a program that starts processes of an engine, which end with it."""
    for package in _ENGINES[snippet.name]:
        pytest.importorskip(package, reason=f"pip install {package} for the page on it")
    if snippet.name == "triton.py":
        pytest.skip("the page on Triton needs a server")
    done = subprocess.run([sys.executable, str(snippet)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def run(snippet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a Python file as a program; of a shell file every line, which is a carseg command."""
    if "onnx" in snippet.read_text("utf-8") or "carseg export" in snippet.read_text("utf-8"):
        for package in ("onnxruntime", "onnxscript"):
            pytest.importorskip(package, reason="pip install 'carseg[onnx]' for the pages on exporting")
    if snippet.name in _ENGINES:
        run_on_engine(snippet)
        return
    if "coremltools" in snippet.read_text("utf-8"):
        pytest.importorskip("coremltools", reason="pip install coremltools for the page on phones")
    if snippet.suffix == ".py":
        monkeypatch.setattr(sys, "argv", [str(snippet)])
        runpy.run_path(str(snippet), run_name="__main__")
        return
    for line in snippet.read_text().splitlines():
        variables, words = without_variables(shlex.split(line))
        assert words[0] == "carseg", f"{snippet.name} holds {line!r}"
        with monkeypatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            assert main(words[1:]) == 0, line


@with_weights
@pytest.mark.parametrize("page", [page for page in PAGES if _INCLUDE.search(page.read_text("utf-8"))], ids=name_of)
def test_a_page_can_be_followed(page: Path, here: Path, monkeypatch: pytest.MonkeyPatch):
    snippets = [included(name) for name in dict.fromkeys(_INCLUDE.findall(page.read_text("utf-8")))]
    snippets = [snippet for snippet in snippets if snippet.parent == _FOLDERS[0]]  # examples have their own test
    # It measures every network in the package, for minutes; test_cli runs the command.
    snippets = [snippet for snippet in snippets if snippet.name != "speed.sh"]
    if any(snippet.name.startswith("video") for snippet in snippets):
        draw_drive(here / "drive.mp4", monkeypatch)
    if any(snippet.name == "public_checkpoint.py" for snippet in snippets):
        import torch

        torch.save(carseg.create_model("u2netp", num_classes=1).state_dict(), here / "u2netp.pth")
    for snippet in snippets:
        run(snippet, monkeypatch)


@with_weights
@pytest.mark.parametrize("path", EXAMPLES, ids=name_of)
def test_examples_run_and_write_what_they_show(path: Path, here: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    before = set(here.rglob("*"))
    run(path, monkeypatch)
    assert capsys.readouterr().out
    written = [new for new in set(here.rglob("*")) - before if new.suffix in (".png", ".json")]
    assert written
    assert all(new.stat().st_size for new in written)


@with_weights
@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.ipynb")), ids=name_of)
def test_notebooks_run(path: Path, here: Path):
    notebook = json.loads(path.read_text("utf-8"))
    install, *cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert install == "%pip install --quiet carseg"
    names: dict[str, Any] = {}
    for cell in cells:
        exec(compile(cell, "notebook", "exec"), names)
    with Image.open(example_image()) as image:
        assert names["result"].mask.shape == image.size[::-1]


@pytest.mark.parametrize("path", EXAMPLES, ids=name_of)
def test_examples_begin_with_what_they_show_and_how_they_are_called(path: Path):
    head = path.read_text("utf-8").split('"""')[1]
    assert f"python examples/{path.name}" in head


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_blocks_are_files_that_run(page: Path):
    for match in BLOCK.finditer(page.read_text("utf-8")):
        if match[2] == "python":
            assert _INCLUDE.fullmatch(match[3].strip("\n")), f"{page.name}: {match[3]}"
    for name in _INCLUDE.findall(page.read_text("utf-8")):
        assert included(name).is_file()


def test_every_snippet_is_shown_somewhere():
    shown = {name for page in PAGES for name in _INCLUDE.findall(page.read_text("utf-8"))}
    assert {path.name for path in (DOCS / "snippets").iterdir() if path.is_file()} <= shown


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_command_lines_parse(page: Path, here: Path):
    (here / "own").mkdir()  # which a command of its page makes
    for arguments in commands(page):
        parse(arguments)


@pytest.mark.parametrize("page", TEXTS, ids=name_of)
def test_commands_in_sentences_exist_with_their_options(page: Path):
    text = BLOCK.sub("", page.read_text("utf-8"))
    for line in re.findall(r"`carseg ([a-z-][^`]*)`", text):
        command, words = typer.main.get_command(app), shlex.split(line)
        options = {name for parameter in command.params for name in parameter.opts}
        for word in words:
            if word.startswith("-"):
                assert word in {*options, "--help"}, f"{page.name}: carseg {line}"
            elif hasattr(command, "commands"):
                assert word in command.commands, f"{page.name}: carseg {line}"
                command = command.commands[word]
                options |= {name for parameter in command.params for name in parameter.opts}


def test_a_wrong_command_line_does_not_parse(here: Path):
    parse(["data", "check", "labelled"])
    for wrong in (["predict", "img.jpg", "--colour"], ["data", "check"], ["predict", "img.jpg", "--tile", "x"]):
        with pytest.raises(typer.BadParameter.__base__):
            parse(wrong)
