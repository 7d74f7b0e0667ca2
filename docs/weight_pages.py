"""The page of one weight: its model card, images, bars of its figures, where it comes from, its time and recipe."""

from __future__ import annotations

import functools
import io
import re
import tomllib

from lineage import WIDTH, lineage
from pictures import SOURCE
from zoo_pages import page, pair_of_images, setting

from carseg.benchmarking import Row
from carseg.hub import ROOT, ModelInfo, copies, load_manifest, model_card
from carseg.reporting import bars

IMAGE = ROOT / "examples" / "car.jpg"
_LARGEST = 960  # longest side of an image on a page
_DATA, _FIGURES = "## Training data\n", "## Figures\n"  # headings of a card
_CLASSES = re.compile(r"^\| class \| IoU \|\n(?:\|.*\n?)+", re.MULTILINE)  # a table of a card


def weight_page(info: ModelInfo, row: Row | None = None, *, with_image: bool) -> str:
    """The model card without its metadata, with what can be drawn of it, the time if there is one, and the recipe."""
    path = ROOT / "weights" / info.name / "README.md"
    card = path.read_text("utf-8") if path.exists() else model_card(info)
    title, _, rest = re.sub(r"\A---\n.*?\n---\n", "", card, flags=re.DOTALL).strip().partition("\n")
    recipe = ROOT / info.recipe
    text = recipe.read_text("utf-8").strip() if recipe.is_file() else ""
    rest = rest.replace(_DATA, f"{_DATA}\n{lineage(info, tomllib.loads(text))}\n", 1)
    rest = rest.replace(_FIGURES, f"{_FIGURES}\n{_bars(info)}\n", 1)
    rest = _CLASSES.sub(_folded, rest)
    blocks = [title]
    if pair := pair_of_images(info, with_source=True):
        blocks.append(pair)
    elif with_image:
        blocks += [f"![The result of {info.name} on a photograph of a car]({info.name}.jpg)", SOURCE]
    blocks.append(rest.strip())
    if row:
        message = f"{row['ms_p50']:.0f} ms with {row['runtime']} in {row['precision']}."
        blocks += ["## Time", f"{message} {setting([row])}"]
    if text:
        blocks += [
            "## Recipe",
            f"`python -m recipes.run {info.name}` trains it from this file:",
            f"```toml\n{text}\n```",
        ]
    return page(blocks)


@functools.cache
def drawn_result(name: str) -> bytes | None:
    """The overlay of the example image as a JPEG file; None where the image or the weights are not here."""
    if not IMAGE.exists() or not copies(load_manifest().models[name]):
        return None
    import carseg

    image = carseg.load(name, device="cpu", runtime="torch").predict(IMAGE).overlay()
    image.thumbnail((_LARGEST, _LARGEST))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=88)
    return file.getvalue()


def _folded(classes: re.Match[str]) -> str:
    """Return a table of classes, opened by a click."""
    return f"<details markdown>\n<summary>IoU of each class</summary>\n\n{classes[0].rstrip()}\n\n</details>\n"


def _bars(info: ModelInfo) -> str:
    """IoU by class as bars, the largest first; "" where it was not measured."""
    metric = info.metric
    known = {name: value for name, value in (metric.per_class if metric else {}).items() if value is not None}
    if not known or metric is None:
        return ""
    ordered = dict(sorted(known.items(), key=lambda item: -item[1]))
    drawing = bars({"IoU": ordered}, WIDTH)
    plot = f'<div class="plot narrow" role="img" aria-label="IoU by class">{drawing}</div>'
    return f"IoU by class, {metric.dataset} {metric.split}:\n\n{plot}"
