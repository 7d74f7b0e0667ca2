"""Drawing of overlays with a legend, images side by side, crops of the parts and grids of feature maps.

Images are RGB uint8 (H, W, 3) arrays, masks uint8 (H, W) label ids; results are PIL images in RGB. Text, lines and
gaps grow with the image, so that they can be read at 256 pixels and at 4K. The font is Pillow's own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from carseg._arrays import Uint8Array
from carseg.errors import OptionError
from carseg.labels import IGNORE, Color, LabelSet
from carseg.masks import rle

_PAPER, _INK, _FAINT = (255, 255, 255), (32, 33, 36), (236, 238, 241)
# From dark blue over teal to light yellow, ever lighter: the order is seen in grey and with any colour vision, too.
_RAMP = ((13, 22, 63), (26, 60, 112), (30, 101, 135), (48, 140, 138), (104, 177, 128), (178, 206, 119), (250, 234, 143))


def overlay(
    image: Uint8Array, mask: Uint8Array, labels: LabelSet, *, alpha: float = 0.5, legend: bool = True
) -> Image.Image:
    """Return the image with its classes tinted and outlined, and below it a legend of the classes that are present.

    Args:
        image: RGB uint8 (H, W, 3).
        mask: uint8 (H, W); the background and the ignore id stay as they are.
        labels: names and colours.
        alpha: opacity of the tint, 0 (outlines only) to 1.
        legend: add the legend; without it the result has the size of the image.

    Raises:
        OptionError: alpha outside 0..1, or a mask of another size than the image.
    """
    if not 0 <= alpha <= 1:
        raise OptionError(f"alpha is {alpha}, must be between 0 and 1")
    if image.shape != (*mask.shape, 3):
        raise OptionError(f"the image has the shape {image.shape}, its mask {mask.shape}")
    tinted = _tint(image, mask, labels, alpha)
    return _with_legend(tinted, [mask], labels, text_size(*tinted.size)) if legend else tinted


def side_by_side(
    image: Uint8Array,
    masks: Mapping[str, Uint8Array],
    labels: LabelSet,
    *,
    alpha: float = 0.5,
    columns: int | None = None,
) -> Image.Image:
    """Return the image and then one overlay per mask, each under its title, above one common legend.

    Args:
        image: RGB uint8 (H, W, 3).
        masks: titles and masks, such as ``{"prediction": ..., "truth": ...}``.
        labels: names and colours of all masks.
        alpha: opacity of the tint, 0 to 1.
        columns: images per row; all in one row by default.
    """
    tinted = {title: overlay(image, mask, labels, alpha=alpha, legend=False) for title, mask in masks.items()}
    images = [Image.fromarray(image), *tinted.values()]
    sheet = grid(images, ["image", *tinted], columns=columns or len(images))
    return _with_legend(sheet, list(masks.values()), labels, text_size(*sheet.size))


def part_crops(
    image: Uint8Array, mask: Uint8Array, labels: LabelSet, *, columns: int | None = None, side: int | None = None
) -> Image.Image:
    """Return one crop per class that is present, with some of its surroundings dimmed around it.

    Args:
        image: RGB uint8 (H, W, 3).
        mask: uint8 (H, W).
        labels: names and colours.
        columns: crops per row; about as many as rows by default.
        side: width of a crop in pixels; by default a third of the image's longer side, but at least 160.
    """
    side = side or max(160, max(mask.shape) // 3)
    cell = side, side * 3 // 4
    starts, ends, ids = rle.label_runs(mask)
    boxes = rle.boxes_of_runs(starts, ends, ids, IGNORE + 1, mask.shape[0])
    crops: dict[str, Image.Image] = {}
    for label in _present([mask], labels):
        window = _window(boxes[label], mask.shape, cell)
        part = Image.fromarray(np.where(mask[window] == label, np.uint8(255), np.uint8(0)))
        crop = Image.fromarray(image[window])
        scale = min(cell[0] / crop.width, cell[1] / crop.height)
        size = max(1, round(crop.width * scale)), max(1, round(crop.height * scale))
        crop, inside = crop.resize(size), np.asarray(part.resize(size, Image.Resampling.BILINEAR)) > 127
        crop = Image.composite(crop, crop.point(lambda value: value // 3 + 20), Image.fromarray(inside))
        crop.paste(labels.colors[label], mask=Image.fromarray(inside & _edges(inside, max(2, side // 120))))
        crops[_readable(labels.classes[label])] = crop
    return grid(list(crops.values()), list(crops), columns=columns, cell=cell)


def feature_maps(
    features: NDArray[Any], *, titles: Sequence[str] | None = None, columns: int | None = None, side: int = 160
) -> Image.Image:
    """Return a grid of a network's feature maps, each from its own low values (dark) to its high ones (light).

    The lowest and the highest hundredth of its values have one colour each: few extreme values, as at the border, would
    leave little contrast for the rest.

    Args:
        features: float (C, h, w); values that are not finite are drawn dark.
        titles: one per map; the channel numbers by default.
        columns: maps per row; about as many as rows by default.
        side: minimum of a map's longest side in pixels; smaller maps are enlarged by a whole factor.
    """
    if features.ndim != 3:
        raise OptionError(f"feature maps have the shape {features.shape}, must be (channels, height, width)")
    titles = [str(i) for i in range(len(features))] if titles is None else titles
    times = max(1, math.ceil(side / max(features.shape[1:])))
    images = [heatmap(feature, outliers=0.01) for feature in features]
    size = features.shape[2] * times, features.shape[1] * times
    return grid([image.resize(size, Image.Resampling.NEAREST) for image in images], titles, columns=columns)


def heatmap(values: NDArray[Any], *, outliers: float = 0.0) -> Image.Image:
    """Return numbers as an image of colours, from the least (dark) to the greatest (light).

    Args:
        values: float (h, w); values that are not finite are drawn dark.
        outliers: share of the least values that all get the darkest colour, and of the greatest the lightest.
    """
    values = np.asarray(values, np.float32)
    finite = np.isfinite(values)
    low, high = np.quantile(values[finite], (outliers, 1 - outliers)) if finite.any() else (0.0, 0.0)
    position = np.clip(np.where(finite, values - low, 0) / max(high - low, 1e-12), 0, 1)
    steps = np.linspace(0, 1, len(_RAMP))
    table = np.stack([np.interp(np.linspace(0, 1, 256), steps, channel) for channel in np.array(_RAMP).T], axis=1)
    return Image.fromarray(table.round().astype(np.uint8)[(position * 255).round().astype(np.uint8)])


def grid(
    images: Sequence[Image.Image],
    titles: Sequence[str],
    *,
    columns: int | None = None,
    cell: tuple[int, int] | None = None,
) -> Image.Image:
    """Return images in rows, each under its title, on white.

    Args:
        images: PIL images; each is scaled to fit its cell, in its own proportions.
        titles: one per image; a title too long for its cell is shortened.
        columns: images per row; about as many as rows by default.
        cell: width and height of a cell; by default those of the largest image.

    Raises:
        OptionError: another number of titles than images, or fewer than one column.
    """
    if len(images) != len(titles):
        raise OptionError(f"{len(images)} images have {len(titles)} titles")
    if columns is not None and columns < 1:
        raise OptionError(f"columns is {columns}, must be at least 1")
    width, height = cell or (max((i.width for i in images), default=1), max((i.height for i in images), default=1))
    columns = max(1, min(columns or math.ceil(math.sqrt(len(images) * height / width)), len(images)))
    rows = math.ceil(len(images) / columns)
    size = text_size(columns * width, rows * height)
    font, gap, head = ImageFont.load_default(size), size // 2, round(1.7 * size)
    sheet = Image.new("RGB", (columns * (width + gap) + gap, rows * (height + head + gap) + gap), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for i, (image, title) in enumerate(zip(images, titles, strict=True)):
        x, y = gap + i % columns * (width + gap), gap + i // columns * (height + head + gap)
        draw.text((x, y + head // 2), _shortened(title, font, width), _INK, font, anchor="lm")
        draw.rectangle((x, y + head, x + width - 1, y + head + height - 1), _FAINT)
        scale = min(width / image.width, height / image.height)
        if scale != 1:
            image = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
        sheet.paste(image, (x + (width - image.width) // 2, y + head + (height - image.height) // 2))
    return sheet


def index_image(mask: Uint8Array, labels: LabelSet) -> Image.Image:
    """Return a mask as an index image of its label ids, with the colours of ``palette``."""
    index = Image.fromarray(mask)
    index.putpalette(palette(labels))
    return index


def palette(labels: LabelSet) -> bytes:
    """Return 256 RGB colours for a mask saved as an index image: those of the classes, light grey for the ignore id."""
    colors: list[Color] = [*labels.colors, *[(0, 0, 0)] * (256 - len(labels))]
    colors[IGNORE] = (224, 224, 224)
    return bytes(value for color in colors for value in color)


def text_size(width: int, height: int) -> int:
    """Return the height in pixels of text that can be read on an image of this size, even when shown as a whole."""
    return max(12, round(0.018 * math.sqrt(width * height)))


def _tint(image: Uint8Array, mask: Uint8Array, labels: LabelSet, alpha: float) -> Image.Image:
    index = Image.fromarray(mask)
    shown = [i < len(labels) and i != labels.background for i in range(256)]
    cover = index.point([round(255 * alpha) * here for here in shown])
    edges = Image.fromarray(_edges(mask, _line_width(text_size(*index.size))))
    cover.paste(index.point([255 * here for here in shown]), mask=edges)
    index.putpalette(palette(labels))
    return Image.composite(index.convert("RGB"), Image.fromarray(image), cover)


def _edges(mask: NDArray[Any], width: int) -> NDArray[np.bool_]:
    """Return the pixels nearer than ``width`` to one of another label, on either side of the border, bool (H, W)."""
    edges = np.zeros(mask.shape, bool)
    rows, columns = mask[1:] != mask[:-1], mask[:, 1:] != mask[:, :-1]
    edges[1:] |= rows
    edges[:-1] |= rows
    edges[:, 1:] |= columns
    edges[:, :-1] |= columns
    for _ in range(width - 1):
        grown = edges.copy()
        grown[1:] |= edges[:-1]
        grown[:-1] |= edges[1:]
        grown[:, 1:] |= edges[:, :-1]
        grown[:, :-1] |= edges[:, 1:]
        edges = grown
    return edges


def _window(box: Sequence[int], shape: tuple[int, ...], cell: tuple[int, int]) -> tuple[slice, slice]:
    """Return rows and columns around a box, with a margin and in the cell's proportions as far as the image reaches."""
    x, y, width, height = box
    size = 1.2 * max(width / cell[0], height / cell[1])
    spans = []
    for start, length, side, limit in ((y, height, cell[1], shape[0]), (x, width, cell[0], shape[1])):
        wanted = min(limit, max(length, round(size * side)))
        first = min(max(0, start + length // 2 - wanted // 2), limit - wanted)
        spans.append(slice(first, first + wanted))
    return spans[0], spans[1]


def _line_width(text: int) -> int:
    return max(1, round(text / 8))


def _present(masks: Sequence[Uint8Array], labels: LabelSet) -> list[int]:
    histograms = [Image.fromarray(mask).histogram() for mask in masks]
    return [i for i in range(len(labels)) if i != labels.background and any(h[i] for h in histograms)]


def _with_legend(image: Image.Image, masks: Sequence[Uint8Array], labels: LabelSet, size: int) -> Image.Image:
    """Return the image above a strip that names the colours; the sheet is widened where a name would not fit."""
    present = _present(masks, labels)
    if not present:
        return image
    font, pad, line = ImageFont.load_default(size), round(0.7 * size), round(1.6 * size)
    names = [_readable(labels.classes[i]) for i in present]
    entry = 2 * size + pad + math.ceil(max(font.getlength(name) for name in names))
    columns = min(max(1, (image.width - pad) // entry), len(names))
    rows = math.ceil(len(names) / columns)
    sheet = Image.new("RGB", (max(image.width, columns * entry + pad), image.height + rows * line + 2 * pad), _PAPER)
    sheet.paste(image, ((sheet.width - image.width) // 2, 0))
    draw = ImageDraw.Draw(sheet)
    for i, (label, name) in enumerate(zip(present, names, strict=True)):
        x, middle = pad + i // rows * entry, image.height + pad + i % rows * line + line // 2
        half = round(0.45 * size)
        draw.rectangle((x, middle - half, x + round(1.5 * size), middle + half), labels.colors[label], _INK)
        draw.text((x + 2 * size, middle), name, _INK, font, anchor="lm")
    return sheet


def _readable(name: str) -> str:
    return name.replace("_", " ")


def _shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
