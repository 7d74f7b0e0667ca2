"""The page of one weight: its model card, images, bars of its figures, where it comes from, its time and recipe."""

from __future__ import annotations

import functools
import io
import re
import tomllib

from lineage import lineage
from pictures import SOURCE
from zoo_pages import page, pair_of_images, setting

from carseg.benchmarking import Row
from carseg.hub import ROOT, ModelInfo, copies, load_manifest, model_card
from carseg.reporting import bars

IMAGE = ROOT / "examples" / "car.jpg"
_LARGEST = 960  # longest side of an image on a page
_DATA, _FIGURES = "## Data that shaped it\n", "## Figures\n"  # headings of a card


def weight_page(info: ModelInfo, row: Row | None = None, *, with_image: bool) -> str:
    """The model card without its metadata, with what can be drawn of it, the time if there is one, and the recipe."""
    path = ROOT / "weights" / info.name / "README.md"
    card = path.read_text("utf-8") if path.exists() else model_card(info)
    title, _, rest = re.sub(r"\A---\n.*?\n---\n", "", card, flags=re.DOTALL).strip().partition("\n")
    recipe = ROOT / info.recipe
    text = recipe.read_text("utf-8").strip() if recipe.is_file() else ""
    rest = rest.replace(_DATA, f"{_DATA}\n{lineage(info, tomllib.loads(text))}\n", 1)
    rest = rest.replace(_FIGURES, f"{_FIGURES}\n{_bars(info)}\n", 1)
    blocks = [title]
    if pair := pair_of_images(info):
        blocks += [pair, SOURCE]
    elif with_image:
        blocks += [f"![What {info.name} makes of a photograph of a car]({info.name}.jpg)", SOURCE]
    blocks.append(rest.strip())
    if row:
        message = f"{row['ms_p50']:.0f} ms with {row['runtime']} in {row['precision']}."
        blocks += ["## Time", f"{message} {setting([row])}"]
    if text:
        blocks += ["## Recipe", f"What `python -m recipes.run {info.name}` reads:", f"```toml\n{text}\n```"]
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


def _bars(info: ModelInfo) -> str:
    """IoU by class as bars, the largest first; "" where it was not measured."""
    known = {name: value for name, value in (info.metric.per_class if info.metric else {}).items() if value is not None}
    if not known:
        return ""
    ordered = dict(sorted(known.items(), key=lambda item: -item[1]))
    return f'<div class="plot" role="img" aria-label="IoU by class">{bars({"IoU": ordered})}</div>'
