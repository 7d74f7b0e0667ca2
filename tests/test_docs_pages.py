"""Pages of the documentation: links lead somewhere, and those made from the manifest and the app are right."""

from __future__ import annotations

import importlib.util
import itertools
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

import carseg
from carseg.benchmarking.rows import KEYS, Row
from carseg.figures import FIGURES
from carseg.hub import FOR_SALE, RECOMMENDED
from carseg.hub.manifest import ROOT, load_manifest
from carseg.hub.model_info import ModelInfo
from carseg.reporting import Point, xy_plot

from documents import BLOCK, DOCS, INFO, PAGES, TEXTS, name_of, with_weights
from entries import example


def slug(heading: str) -> str:
    """Return a heading's anchor, as Python-Markdown makes it."""
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())


def anchors(text: str) -> set[str]:
    return {slug(line.lstrip("#")) for line in BLOCK.sub("", text).splitlines() if line.startswith("#")}


@pytest.mark.parametrize("page", TEXTS, ids=name_of)
def test_links_lead_somewhere(page: Path, hooks: ModuleType):
    made = {DOCS / "command-line.md": hooks.command_line_page(), DOCS / "zoo" / "index.md": "# The zoo"}
    for target in re.findall(r"\]\(([^)\s]+)\)", BLOCK.sub("", page.read_text("utf-8"))):
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


@with_weights
def test_the_zoo_begins_with_what_to_take_for_which_job(hooks: ModuleType, pages: ModuleType):
    models = load_manifest().models
    page = pages.zoo_page(models, {})
    table = pages.choices_table(models, {}, "zoo/")
    rows = [line for line in table.splitlines() if line.startswith("| ")][2:]
    row = timed(models)[FOR_SALE.model] | {"images_per_s": 41.6}
    assert "| **yes** | 42 |" in pages.choices_table(models, {FOR_SALE.model: row})
    assert [row.split(" | ")[1].partition("]")[0] for row in rows[:4]] == [f"[`{name}`" for name in RECOMMENDED]
    assert FOR_SALE.model in rows[4] and "**yes**" in rows[4]
    for shown in itertools.chain(*hooks.zoo_pages.EXAMPLES.values()):
        assert (DOCS / "images" / shown.file).is_file() and shown.caption in page
    assert page.index("## Which for what") < page.index("unet-carvana")


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


def test_peers_stand_beside_carseg_with_the_network_to_take(hooks: ModuleType):
    rows = [
        {
            "peer": "rembg",
            "name": name,
            "images": images,
            "megapixels": 2.5,
            "images_per_second": rate if images > 1 else None,
        }
        | {"first_start_s": 3.0, "start_s": 2.0, "megabytes": 500}
        for images in (24, 1)
        for name, rate in (("rembg", 1.5), ("carseg u2netp", 4.0), ("carseg fpn", 6.0))
    ]
    chart = hooks.peers.peers_chart(rows)
    assert [float(rate) for rate in re.findall(r">([\d.]+)</text>", chart)] == [1.5, 6.0]
    table = hooks.peers.peers_table(rows).splitlines()
    assert "| 24 of 2.5 MP | `carseg u2netp` | 4.0 | 3.0 | 2.0 | 500 |" in table
    assert table[-1] == "| 1 of 2.5 MP | `carseg fpn` | - | 3.0 | 2.0 | 500 |"


def test_a_weights_page_is_its_card(hooks: ModuleType):
    models = {"a-model": ModelInfo.from_dict("a-model", example())}
    page = hooks.weight_pages.weight_page(models["a-model"], with_image=True)
    assert page.startswith("# a-model\n\n![") and "research only" in page and "## Time" not in page
    page = hooks.weight_pages.weight_page(models["a-model"], timed(models)["a-model"], with_image=False)
    assert "![" not in page and "12 ms with torch in float32" in page


def test_a_weights_page_draws_what_the_manifest_knows(hooks: ModuleType):
    page = hooks.weight_pages.weight_page(ModelInfo.from_dict("a-model", example()), with_image=False)
    assert 'aria-label="trained on c, 872 images"' in page
    assert ">background</text>" in page and ">car</text>" not in page  # of the car no IoU is known
    bare = ModelInfo.from_dict("a-model", example() | {"metrics": []})
    assert "IoU by class" not in hooks.weight_pages.weight_page(bare, with_image=False)


@with_weights
def test_a_weights_page_shows_what_made_it(hooks: ModuleType):
    assert INFO
    page = hooks.weight_pages.weight_page(INFO, with_image=False)
    assert f"## Recipe\n\n`python -m recipes.run {INFO.name}`" in page
    assert "encoder of mobilenetv2_100-imagenet" in page


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


def test_the_citation_has_the_version():
    assert f"\nversion: {carseg.__version__}\n" in (ROOT / "CITATION.cff").read_text("utf-8")
