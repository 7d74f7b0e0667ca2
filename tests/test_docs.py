"""The documentation as someone follows it: snippets and examples run, commands parse, links and files are there."""

from __future__ import annotations

import importlib.util
import itertools
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
from carseg.benchmarking.rows import KEYS, Row
from carseg.cli import app, process
from carseg.cli.main import main
from carseg.figures import FIGURES
from carseg.hub.catalog import DEFAULT_MODEL
from carseg.hub.manifest import ROOT, load_manifest
from carseg.hub.model_info import ModelInfo
from carseg.hub.resolve import copies
from carseg.reporting import Point, xy_plot

from drawn_data import draw_image, draw_mask, save
from entries import example

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
TEXTS = [*PAGES, *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "THIRD_PARTY.md"))]
EXAMPLES = sorted(path for path in (ROOT / "examples").glob("*.py") if path.stem != "draw_car")
_FOLDERS = (DOCS / "snippets", ROOT / "examples")  # where mkdocs.yml looks for what pages include
_BLOCK = re.compile(r"^( *)```(\w*).*?\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_INCLUDE = re.compile(r'^ *--8<-- "([^":]+)(?::\w+)?"$', re.MULTILINE)

_INFO = load_manifest().models.get(DEFAULT_MODEL)
with_weights = pytest.mark.skipif(
    _INFO is None or not copies(_INFO), reason=f"the weights {DEFAULT_MODEL} are not in this checkout"
)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def included(name: str) -> Path:
    return next(folder / name for folder in _FOLDERS if (folder / name).exists())


def blocks(page: Path, language: str) -> Iterator[str]:
    """Yield the code blocks of a page, with what they include."""
    for match in _BLOCK.finditer(page.read_text("utf-8")):
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
    for name in ("img.jpg", "images/a.jpg", "images/side/b.jpg", "more/c.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        small.save(tmp_path / name)
    for i in range(6):
        mask = draw_mask(i)
        save(tmp_path / "labelled" / "images" / f"{i}.png", draw_image(mask))
        save(tmp_path / "labelled" / "masks" / f"{i}.png", mask)
        save(tmp_path / "survey" / "photos" / f"{i}.png", draw_image(mask))
        save(tmp_path / "survey" / "checked" / f"{i}.png", mask)
    for folder in ("labelled", "survey"):
        (tmp_path / folder / "classes.txt").write_text("background\nhood\nwheel\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CARSEG_CACHE", str(cache))
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
    """Run a Python file as a program; of a shell file every line, which is a carseg command."""
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
    # It measures every network in the package, for minutes; test_cli runs the command.
    snippets = [snippet for snippet in snippets if snippet.name != "speed.sh"]
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
@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.ipynb")), ids=name_of)
def test_notebooks_run(path: Path, here: Path):
    (here / "img.jpg").rename("car.jpg")
    notebook = json.loads(path.read_text("utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    names: dict[str, Any] = {}
    for cell in cells:
        exec(compile(cell, "notebook", "exec"), names)
    assert names["result"].mask.shape == (240, 320)


@pytest.mark.parametrize("path", EXAMPLES, ids=name_of)
def test_examples_begin_with_what_they_show_and_how_they_are_called(path: Path):
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
    """Return a heading's anchor, as Python-Markdown makes it."""
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
    assert all((DOCS / name).is_file() for name in (*config["extra_css"], *config["extra_javascript"]))
    assert all((ROOT / name).exists() for name in (*config["hooks"], *config["watch"]))


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hooks", DOCS / "hooks.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pages(hooks: ModuleType) -> ModuleType:
    return hooks.zoo_pages


def zoo(count: int) -> dict[str, ModelInfo]:
    """Return made-up models by name."""
    models = {}
    for i in range(count):
        data = example() | {"sha256": f"{i:064x}"}
        data["metrics"] = [data["metrics"][0] | {"miou": 0.9 + i / 1000, "miou_ci": [0.89 + i / 1000, 0.91 + i / 1000]}]
        models[f"model-{i:02}"] = ModelInfo.from_dict(f"model-{i:02}", data)
    return models


def timed(models: dict[str, ModelInfo]) -> dict[str, Row]:
    """Return rows of a benchmark, each model twice as slow as the one before."""
    facts = {"runtime": "torch", "precision": "float32", "device": "cpu", "threads": 2}
    facts["environment"] = {"processor": "a processor"}
    return {
        name: dict.fromkeys(KEYS) | facts | {"model": name, "weights_sha256": info.sha256, "ms_p50": 12.5 * 2**i}
        for i, (name, info) in enumerate(models.items())
    }


def test_the_zoo_without_and_with_models(pages: ModuleType):
    assert "no weights yet" in pages.zoo_page({}, {})
    models = zoo(17)
    page = pages.zoo_page(models, {}, ["model-01"])
    assert page.index("[model-00](model-00.md)") < page.index("[model-01](model-01.md)")
    assert "| 91.60 | 90.60 to 92.60 |" in page and "research only" in page
    assert "(model-01.jpg)" in page and "(model-00.jpg)" not in page
    assert "<svg" not in page


def test_the_zoo_with_times(pages: ModuleType):
    models = zoo(17)
    rows = timed(models)
    del rows["model-03"]
    page = pages.zoo_page(models, rows)
    assert page.count("<circle") == 16 and "a processor, cpu, 2 threads" in page
    heads, *table = [line.split("|") for line in page.splitlines() if line.startswith(("| model", "| [model"))]
    assert {len(line) for line in table} == {len(heads)}
    times = [line[heads.index(" ms ")].strip() for line in table]
    assert times[:5] == ["12", "25", "50", "-", "200"]


def test_names_in_a_plot_do_not_cover_each_other():
    points = [
        (f"a-network-with-a-name-{i}", [Point(30.0 + i, 75.0 + i / 100, "", interval=(70, 80))]) for i in range(8)
    ]
    svg = xy_plot(points, x_title="milliseconds", y_title="mIoU", log_x=True)
    heights = sorted(float(y) for y in re.findall(r'<text x="[\d.]+" y="([\d.]+)" text-anchor="start">a-network', svg))
    assert len(heights) == len(points)
    assert all(b - a > 11 for a, b in itertools.pairwise(heights))


def test_a_time_of_an_earlier_file_is_not_shown(pages: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    models = zoo(2)
    rows = timed(models)
    rows["model-01"]["weights_sha256"] = "f" * 64
    monkeypatch.setattr(pages, "BENCHMARK", tmp_path / "zoo.jsonl")
    assert pages.timed_rows(models) == {}
    pages.BENCHMARK.write_text("".join(json.dumps(row) + "\n" for row in rows.values()))
    assert list(pages.timed_rows(models)) == ["model-00"]


def test_a_weights_page_is_its_card(pages: ModuleType):
    models = {"a-model": ModelInfo.from_dict("a-model", example())}
    page = pages.weight_page(models["a-model"], with_image=True)
    assert page.startswith("# a-model\n\n![") and "research only" in page and "## Time" not in page
    page = pages.weight_page(models["a-model"], timed(models)["a-model"], with_image=False)
    assert "![" not in page and "12 ms with torch in float32" in page


@with_weights
def test_a_weights_page_shows_what_made_it(pages: ModuleType):
    assert _INFO and f"## Recipe\n\nWhat `python -m recipes.run {_INFO.name}`" in pages.weight_page(
        _INFO, with_image=False
    )


def test_figures_in_pages_are_those_of_the_manifest(hooks: ModuleType, pages: ModuleType):
    data = example()
    merged = data["metrics"][0] | {"miou": 0.99, "merged": {"car": "thing"}, "per_class": {}}
    models = {"a-model": ModelInfo.from_dict("a-model", data | {"metrics": [*data["metrics"], merged]})}
    assert pages.our_figure(models, "a-model", "miou") == "[a-model](zoo/a-model.md) 98.00 (97.00 to 99.00)"
    assert "99.00 (97.00" in pages.our_figure(models, "a-model", "miou", merged=True)
    assert pages.our_figure(models, "another", "miou") == "-"
    page = (DOCS / "public-projects.md").read_text("utf-8")
    names, figures = zip(*re.findall(r"<!-- ours: (\S+) (\S+)", page), strict=True)
    assert set(names) <= {path.stem for path in (ROOT / "recipes").glob("*.toml")}
    assert set(figures) <= FIGURES.keys()
    assert "<!-- ours" in page and "<!-- ours" not in hooks.on_page_markdown(page)


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
