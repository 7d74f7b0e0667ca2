"""The page of a data set: what should be looked at, the classes, and every image with its labels drawn over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from carseg.data import Findings, Problem
from carseg.labels import LabelSet
from carseg.reporting import CARD_STYLE, cards, counted, figure, swatch, warnings, write_page

PAGE, IMAGES = "index.html", "images"

Key = tuple[str, str]  # split and name of a sample
Reasons = Mapping[Key, Sequence[Problem]]

_REPEATED = "repeated"  # near-duplicates within a split
# Kinds of problems and suspicions, the most serious first, and what they are called.
_KINDS = {
    "image": "Images that cannot be read",
    "label": "Labels that cannot be read",
    "pairing": "Images without a label, labels without an image",
    "size": "Labels of another size than the image",
    "orientation": "Labels drawn without the image's rotation",
    "values": "Values that are no class",
    "near-duplicates": "Nearly the same image in two splits",
    "sides": "Left and right that look swapped",
    "empty": "Nothing is labelled",
    "tiny": "Tiny pieces",
    _REPEATED: "Nearly the same image twice in a split",
}


@dataclass(frozen=True)
class ShownImage:
    """An image as the page shows it.

    Attributes:
        place: its address, None where the image cannot be read.
        size: width and height of the image itself, None likewise.
        classes: label ids that it has, () where its label cannot be used.
    """

    place: str | None
    size: tuple[int, int] | None
    classes: tuple[int, ...] = ()


def write_data_page(findings: Findings, shown: Mapping[Key, ShownImage], path: Path) -> None:
    """Write the page of a data set.

    Args:
        findings: what was found in it.
        shown: its images, in their order.
        path: the file.
    """
    reasons = _reasons(findings)
    first = [_of_kind(kind, reasons, shown, findings.labels) for kind in _KINDS]
    rest = {key: image for key, image in shown.items() if key not in reasons}
    sections = {
        "Look at these first": "".join(first),
        "Classes": _classes(findings),
        "The other images" if reasons else "Images": _cards("image", rest, reasons, findings.labels),
    }
    sections = {title: content for title, content in sections.items() if content}
    links = "".join(f'<a href="#{_anchor(title)}">{title}</a>' for title in sections)
    body = [_verdict(findings, shown, reasons), f"<nav>{links}</nav>"]
    body += (f'<section id="{_anchor(title)}"><h2>{title}</h2>{text}</section>' for title, text in sections.items())
    write_page(path, f"Labelled images: {Path(findings.path).resolve().name}", body, style=CARD_STYLE)


def _reasons(findings: Findings) -> dict[Key, list[Problem]]:
    """Return why images should be looked at, by sample, the most serious reason first."""
    repeated = [
        Problem(_REPEATED, split, name, f"shows nearly the same as {earlier}")
        for split, figures in findings.splits.items()
        for earlier, name in figures.near_duplicates
    ]
    order = list(_KINDS)
    reasons: dict[Key, list[Problem]] = {}
    for problem in sorted([*findings.problems, *findings.suspicious, *repeated], key=lambda p: order.index(p.kind)):
        reasons.setdefault((problem.split, problem.name), []).append(problem)
    return reasons


def _verdict(findings: Findings, shown: Mapping[Key, ShownImage], reasons: Reasons) -> str:
    wrong = len(findings.problems)
    text = f"{counted(len(shown), 'image')} with labels in the format {findings.format}."
    if reasons:
        text += f" {counted(len(reasons), 'image')} should be looked at first."
    verdict = f"{counted(wrong, 'problem')} would spoil a training." if wrong else "Every image and label can be read."
    return (
        f'<p class="verdict {"bad" if wrong else "good"}">{verdict}</p><p>{escape(text)}</p>'
        f"{warnings(_said_of_classes(findings))}"
    )


def _said_of_classes(findings: Findings) -> list[str]:
    alone = ", ".join(findings.unpaired)
    return [*findings.warnings, *([f"a side without its counterpart, which flips get wrong: {alone}"] if alone else [])]


def _of_kind(kind: str, reasons: Reasons, shown: Mapping[Key, ShownImage], labels: LabelSet) -> str:
    """Return the images whose most serious reason is of a kind, "" where there are none."""
    those = {key: shown.get(key, ShownImage(None, None)) for key, every in reasons.items() if every[0].kind == kind}
    title = f"<h3>{_KINDS[kind]}: {len(those)}</h3>"
    return title + _cards(kind, those, reasons, labels) if those else ""


def _cards(kind: str, images: Mapping[Key, ShownImage], reasons: Reasons, labels: LabelSet) -> str:
    return cards(
        (f"{kind}-{number}", _card(key, image, reasons.get(key, ()), labels))
        for number, (key, image) in enumerate(images.items(), start=1)
    )


def _card(key: Key, image: ShownImage, reasons: Sequence[Problem], labels: LabelSet) -> str:
    caption = "/".join(filter(None, key))
    if image.place is None:
        head = f"<figure><figcaption>{escape(caption)}</figcaption></figure>"
    else:
        head = figure(image.place, f"{caption} with its labels", caption)
    size = f"<p>{image.size[0]} x {image.size[1]}</p>" if image.size else ""
    named = [label for label in image.classes if label < len(labels)]
    rows = "".join(f"<li>{swatch(labels.colors[label])}{escape(labels.classes[label])}</li>" for label in named)
    there = f"<details><summary>Classes: {len(named)}</summary><ul>{rows}</ul></details>" if named else ""
    return f"{head}{warnings([reason.text for reason in reasons])}{size}{there}"


def _classes(findings: Findings) -> str:
    """Return the classes with their colours, how many images of each split have them, and their share of the pixels."""
    labels, splits = findings.labels, findings.splits
    total = max(sum(sum(each.class_pixels) + each.ignored_pixels for each in splits.values()), 1)
    heads = ["class", *(f"images of {split}" if split else "images" for split in splits), "pixels"]
    rows = []
    for label, name in enumerate(labels.classes):
        cells = [str(each.class_images[label]) for each in splits.values()]
        cells.append(f"{sum(each.class_pixels[label] for each in splits.values()) / total:.2%}")
        shown = f"{swatch(labels.colors[label])}{escape(name)}"
        rows.append(f"<tr><td>{shown}</td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    if ignored := sum(each.ignored_pixels for each in splits.values()):
        rows.append(f"<tr><td>(ignored)</td>{'<td></td>' * len(splits)}<td>{ignored / total:.2%}</td></tr>")
    head = "".join(f"<th>{escape(each)}</th>" for each in heads)
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")
