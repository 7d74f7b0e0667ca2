"""``carseg data check``, ``carseg data show`` and ``carseg data convert``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carseg._files import to_json
from carseg.cli.options import (
    BackgroundImagesOption,
    DataFormatOption,
    Format,
    FormatOption,
    LabelsOption,
    LineWidthOption,
    MapOption,
)
from carseg.cli.terminal import ProgressBar, echo, err, table

if TYPE_CHECKING:
    from carseg.data import Findings, Problem

_FIRST = 10  # labels that are printed of those that should be looked at

DataArgument = Annotated[
    Path, typer.Argument(metavar="DATA", exists=True, help="Labelled images, in any known format.")
]


class Target(StrEnum):
    """Formats that ``convert`` writes: those of ``label``, and the older name of masks."""

    png = "png"
    labelme = "labelme"
    yolo = "yolo"
    coco = "coco"
    cvat = "cvat"
    label_studio = "label-studio"
    voc = "voc"
    masks = "masks"


ToleranceOption = Annotated[
    float,
    typer.Option(
        min=0, metavar="PIXELS", help="How much outlines are simplified, without gaps; coco then has polygons."
    ),
]


def check(
    data: DataArgument,
    data_format: DataFormatOption = "auto",
    labels: LabelsOption = None,
    map: MapOption = None,
    background_images: BackgroundImagesOption = False,
    line_width: LineWidthOption = None,
    format: FormatOption = Format.table,
) -> None:
    """Read every image and label, and report what would spoil a training."""
    from carseg.data import check as examine

    findings = _examined(examine, data, data_format, labels, map, background_images, line_width)
    echo(to_json(findings.to_dict()) if format is Format.json else "\n".join(_report(findings)))
    raise typer.Exit(int(not findings.ok))


def show(
    data: DataArgument,
    out: Annotated[
        Path, typer.Option("--out", "-o", file_okay=False, help="Folder of the page; an earlier page is replaced.")
    ] = Path("carseg-data"),
    data_format: DataFormatOption = "auto",
    labels: LabelsOption = None,
    map: MapOption = None,
    background_images: BackgroundImagesOption = False,
    line_width: LineWidthOption = None,
) -> None:
    """Write a page with all images and their labels. Suspicious ones come first."""
    from carseg.workflows import show_data

    examine = functools.partial(show_data, out=out)
    findings = _examined(examine, data, data_format, labels, map, background_images, line_width)
    images = sum(figures.images for figures in findings.splits.values())
    noticed = f"{len(findings.problems)} problems, {len(findings.suspicious)} suspicious labels"
    echo(f"{out / 'index.html'}: {images} images, {noticed}")
    raise typer.Exit(int(not findings.ok))


def convert(
    data: DataArgument,
    out: Annotated[Path, typer.Option("--out", "-o", file_okay=False, help="Folder to write to.")],
    to: Annotated[
        Target,
        typer.Option(help="Format to write; masks and png are label images with a palette, coco has run lengths."),
    ] = Target.png,
    tolerance: ToleranceOption = 0,
    data_format: DataFormatOption = "auto",
    labels: LabelsOption = None,
    map: MapOption = None,
    background_images: BackgroundImagesOption = False,
    line_width: LineWidthOption = None,
    sides: Annotated[
        bool,
        typer.Option("--sides", help="Give front_door and the like a side; pixels that are not certain are ignored."),
    ] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out images that cannot be read.")] = False,
) -> None:
    """Write labelled images in another format, all of them or none."""
    from carseg.cli.process import prepare
    from carseg.data import convert_splits, load_splits, parse_mapping

    prepare()
    splits = load_splits(
        data,
        format=data_format,
        labels=None if sides else labels,
        mapping=parse_mapping(map or ()),
        background_images=background_images,
        line_width=line_width,
    )
    if sides:
        from carseg.workflows import with_sides

        splits = {split: with_sides(dataset, labels) for split, dataset in splits.items()}
    with ProgressBar("writing") as bar:
        written = convert_splits(
            splits.values(), out, to.value, tolerance=tolerance, skip_bad=skip_bad, progress=bar.count
        )
    for dataset in written:
        for name, reason in dataset.broken.items():
            err(f"carseg: left out {name}: {reason}")
        echo(f"{out / dataset.split}: {len(dataset)} images, {len(dataset.labels)} classes")


def _examined(
    examine: Callable[..., Findings],
    data: Path,
    data_format: str,
    labels: str | None,
    map: list[str] | None,
    background_images: bool,
    line_width: float | None,
) -> Findings:
    """Return what ``examine`` finds in a data set that is read as the options say, with its progress shown."""
    from carseg.cli.process import prepare
    from carseg.data import parse_mapping

    prepare()
    mapping = parse_mapping(map or ())
    with ProgressBar("reading") as bar:
        return examine(
            data,
            format=data_format,
            labels=labels,
            mapping=mapping,
            background_images=background_images,
            line_width=line_width,
            progress=bar.count,
        )


def _report(findings: Findings) -> Iterator[str]:
    names = findings.labels.classes
    others = f"could be {' or '.join(findings.other_formats)}" if findings.other_formats else ""
    known_by = "; ".join(filter(None, (findings.evidence, others)))
    classes = f"label set {findings.labels.name} with {len(names)} classes"
    yield f"{findings.path}: format {findings.format}{f' ({known_by})' if known_by else ''}, {classes}"
    for split, figures in findings.splits.items():
        yield ""
        sizes = ""
        if figures.sizes:
            smallest, largest = (f"{width} x {height}" for width, height in figures.sizes)
            sizes = f", {smallest}" if smallest == largest else f", {smallest} to {largest}"
        rotated = f", {figures.rotated} turned by EXIF" if figures.rotated else ""
        yield f"{split or 'all'}: {figures.images} images{sizes}{rotated}"
        total = max(sum(figures.class_pixels) + figures.ignored_pixels, 1)
        rows = [
            (str(label), name, str(figures.class_images[label]), f"{figures.class_pixels[label] / total:.2%}")
            for label, name in enumerate(names)
        ]
        ignored = [("255", "(ignored)", "", f"{figures.ignored_pixels / total:.2%}")] if figures.ignored_pixels else []
        yield table(("id", "class", "images", "pixels"), [*rows, *ignored], "><>>")
        if figures.near_duplicates:
            pairs = [f"{one} = {other}" for one, other in figures.near_duplicates[:5]]
            more = ["..."] if len(figures.near_duplicates) > 5 else []
            yield f"{len(figures.near_duplicates)} pairs are nearly the same: {', '.join([*pairs, *more])}"
    yield ""
    yield from findings.warnings
    if findings.unpaired:
        yield f"a side without its counterpart, so flips give the wrong side: {', '.join(findings.unpaired)}"
    if findings.suspicious:
        first = findings.suspicious[:_FIRST]
        rest = (
            f", the first {len(first)} are here, all of them on the page of carseg data show"
            if findings.suspicious[_FIRST:]
            else ""
        )
        yield f"{len(findings.suspicious)} labels look suspicious{rest}:"
        yield _listed(first)
    if findings.problems:
        yield f"{len(findings.problems)} problems:"
        yield _listed(findings.problems)
    elif findings.warnings or findings.unpaired or findings.suspicious:
        yield "every image and label can be read; see the remarks above"
    else:
        yield "no problems"


def _listed(problems: Sequence[Problem]) -> str:
    rows = [(each.kind, "/".join(filter(None, (each.split, each.name))), each.text) for each in problems]
    return table(("what", "where", "reason"), rows, "<<<")
