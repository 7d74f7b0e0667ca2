"""The documentation as someone follows it: snippets and examples run, commands parse, links and files are there."""

from __future__ import annotations

import importlib.util
import json
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image

import carseg
from carseg import hub
from carseg.catalog import DEFAULT_MODEL
from carseg.cli import main, process
from carseg.cli.app import app
from carseg.manifest import ROOT, Entry, load_manifest

from drawn_data import draw_mask, draw_picture, save
from entries import example

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
TEXTS = [*PAGES, *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "THIRD_PARTY.md"))]
EXAMPLES = sorted(path for path in (ROOT / "examples").glob("*.py") if path.stem != "draw_car")
_FOLDERS = (DOCS / "snippets", ROOT / "examples")  # where mkdocs.yml looks for what pages include
_BLOCK = re.compile(r"^( *)```(\w*).*?\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_INCLUDE = re.compile(r'^ *--8<-- "([^":]+)(?::\w+)?"$', re.MULTILINE)

_ENTRY = load_manifest().models.get(DEFAULT_MODEL)
with_weights = pytest.mark.skipif(
    _ENTRY is None or not hub.copies(_ENTRY), reason=f"the weights {DEFAULT_MODEL} are not in this checkout"
)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def included(name: str) -> Path:
    return next(folder / name for folder in _FOLDERS if (folder / name).exists())


def blocks(page: Path, language: str) -> Iterator[str]:
    """Code blocks of a page, with what they include."""
    for match in _BLOCK.finditer(page.read_text("utf-8")):
        if match[2] == language:
            yield _INCLUDE.sub(lambda include: included(include[1]).read_text("utf-8"), match[3])


def commands(page: Path) -> Iterator[list[str]]:
    """Arguments of every ``carseg`` line in the shell blocks of a page."""
    for block in blocks(page, "sh"):
        for line in block.splitlines():
            words = without_variables(shlex.split(line, comments=True))[1]
            if words[:1] == ["carseg"]:
                yield words[1:]


def without_variables(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """``A=1 carseg ...`` as variables and the command."""
    count = next((i for i, word in enumerate(words) if not re.match(r"[A-Z_]+=", word)), len(words))
    return dict(word.split("=", 1) for word in words[:count]), words[count:]


def parse(arguments: list[str]) -> None:
    """Parses a command line as the app would; raises what the app would print."""
    command: Any = typer.main.get_command(app)
    with command.make_context("carseg", list(arguments)) as context:
        rest = [*context._protected_args, *context.args]
        while hasattr(command, "commands"):
            command, rest = command.commands[rest[0]], rest[1:]
            with command.make_context(command.name, rest, parent=context) as inner:
                rest = [*inner._protected_args, *inner.args] if hasattr(command, "commands") else []


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the pages speak of: a picture, folders of pictures, labelled ones, a video, a checkpoint."""
    car = ROOT / "examples" / "car.jpg"
    with Image.open(car) as image:
        small = image.resize((320, 240))
    for name in ("img.jpg", "pictures/a.jpg", "pictures/side/b.jpg", "more/c.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        small.save(tmp_path / name)
    for i in range(6):
        mask = draw_mask(i)
        save(tmp_path / "labelled" / "images" / f"{i}.png", draw_picture(mask))
        save(tmp_path / "labelled" / "masks" / f"{i}.png", mask)
    (tmp_path / "labelled" / "classes.txt").write_text("background\nhood\nwheel\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CARSEG_CACHE", str(tmp_path / "cache"))
    for name in ("CARSEG_HUB", "CARSEG_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(process, "prepare", lambda: None)  # settings of this process are the test runner's
    return tmp_path


def write_video(path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10, (96, 64))
    for i in range(3):
        video.write(np.full((64, 96, 3), 60 * i, np.uint8))
    video.release()


def run(snippet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python file as a program; of a shell file every line, which is a carseg command."""
    if "onnx" in snippet.read_text("utf-8") or snippet.name.startswith("export"):
        for package in ("onnxruntime", "onnxscript"):
            pytest.importorskip(package, reason="pip install 'carseg[onnx]' for the pages on exporting")
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
    if any(snippet.name == "video.py" for snippet in snippets):
        write_video(here / "drive.mp4")
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
def test_the_notebook_runs(here: Path):
    (here / "img.jpg").rename("car.jpg")
    notebook = json.loads((ROOT / "examples" / "predict_and_report.ipynb").read_text("utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    names: dict[str, Any] = {}
    for cell in cells:
        exec(compile(cell, "notebook", "exec"), names)
    assert names["result"].mask.shape == (240, 320)


@pytest.mark.parametrize("path", EXAMPLES, ids=name_of)
def test_examples_say_at_their_head_what_they_show_and_how_they_are_called(path: Path):
    head = path.read_text("utf-8").split('"""')[1]
    assert f"python examples/{path.name}" in head


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_blocks_are_files_that_run(page: Path):
    for match in _BLOCK.finditer(page.read_text("utf-8")):
        if match[2] == "python":
            assert _INCLUDE.fullmatch(match[3].strip("\n")), f"{page.name}: {match[3]}"
    for name in _INCLUDE.findall(page.read_text("utf-8")):
        assert included(name).is_file()


def test_every_snippet_is_shown_somewhere():
    shown = {name for page in PAGES for name in _INCLUDE.findall(page.read_text("utf-8"))}
    assert {path.name for path in (DOCS / "snippets").iterdir() if path.is_file()} <= shown


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_command_lines_parse(page: Path, here: Path):
    for arguments in commands(page):
        parse(arguments)


@pytest.mark.parametrize("page", TEXTS, ids=name_of)
def test_commands_in_sentences_exist_with_their_options(page: Path):
    text = _BLOCK.sub("", page.read_text("utf-8"))
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


def slug(heading: str) -> str:
    """A heading's anchor, as Python-Markdown makes it."""
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())


def anchors(text: str) -> set[str]:
    return {slug(line.lstrip("#")) for line in _BLOCK.sub("", text).splitlines() if line.startswith("#")}


@pytest.mark.parametrize("page", TEXTS, ids=name_of)
def test_links_lead_somewhere(page: Path, hooks: ModuleType):
    made = {DOCS / "command-line.md": hooks.command_line_page(), DOCS / "zoo" / "index.md": "# The zoo"}
    for target in re.findall(r"\]\(([^)\s]+)\)", _BLOCK.sub("", page.read_text("utf-8"))):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        goal = (page.parent / path).resolve() if path else page
        assert goal in made or goal.exists(), f"{page.name}: {target}"
        if anchor:
            text = made.get(goal) or goal.read_text("utf-8")
            assert anchor in anchors(text), f"{page.name}: {target}"


def test_files_named_in_mkdocs_yml_exist():
    yaml = pytest.importorskip("yaml")
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
    pages = re.findall(r"[\w/-]+\.md", json.dumps(config["nav"]))
    made = {"command-line.md", "zoo/index.md"}
    assert {name for name in pages if name not in made} == {page.relative_to(DOCS).as_posix() for page in PAGES}
    assert all((DOCS / name).is_file() for name in config["extra_javascript"])
    assert all((ROOT / name).exists() for name in (*config["hooks"], *config["watch"]))


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hooks", DOCS / "hooks.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_zoo_without_and_with_models(hooks: ModuleType):
    assert "no weights yet" in hooks.zoo_page({}, {})
    models = {name: Entry.from_dict(name, example()) for name in ("a-model", "b-model")}
    page = hooks.zoo_page(models, {})
    assert page.index("[a-model](a-model.md)") < page.index("[b-model](b-model.md)")
    assert "0.9800" in page and "0.9700 to 0.9900" in page and "research only" in page
    assert "<svg" not in page
    row = {"ms_p50": 12.5, "environment": {"processor": "a processor"}}
    timed = hooks.zoo_page(models, {"a-model": row})
    assert "<svg" in timed and "a processor" in timed
    widths = {line.count("|") for line in timed.splitlines() if line.startswith("|") and "commercial" in line}
    assert {line.count("|") for line in timed.splitlines() if line.startswith("| [")} == widths


def test_a_weights_page_is_its_card(hooks: ModuleType):
    entry = Entry.from_dict("a-model", example())
    page = hooks.weight_page(entry, with_picture=True)
    assert page.startswith("# a-model\n\n![") and "research only" in page
    assert "![" not in hooks.weight_page(entry, with_picture=False)


def test_the_command_line_page_has_every_command(hooks: ModuleType):
    page = hooks.command_line_page()
    for command in ("predict", "models", "finetune", "data check", "hub mirror"):
        assert f"## carseg {command}\n" in page
    assert "--threshold" in page


def test_the_site_builds(tmp_path: Path):
    pytest.importorskip("mkdocstrings", reason="pip install 'carseg[docs]' to build the documentation")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    assert (tmp_path / "zoo" / "index.html").exists()


def test_the_citation_has_the_version():
    assert f"\nversion: {carseg.__version__}\n" in (ROOT / "CITATION.cff").read_text("utf-8")
