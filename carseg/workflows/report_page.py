"""A report of photographs as one HTML page that needs nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterable
from html import escape
from pathlib import Path

from carseg.reporting import CARD_STYLE, cards, compass, counted, facts, figure, warnings, write_page
from carseg.workflows.car_report import BestPhoto, Report
from carseg.workflows.photo import Photo, PhotoPart
from carseg.workflows.requirements import readable
from carseg.workflows.wheels import WHEEL

_LINKS = 20  # photographs that are named in a row


def write_report_page(report: Report, path: Path) -> None:
    """Write a report as one HTML page."""
    body = [_verdict(report)]
    sections = {
        "Views": _views(report) if report.tells_views else "",
        "Parts": _parts(report),
        "Photographs": cards(
            (_place(photo.number), _photo(photo, jpeg))
            for photo, jpeg in zip(report.photos, report.thumbnails, strict=True)
        ),
        "Not read": warnings([failure.error for failure in report.failed]),
    }
    sections = {title: content for title, content in sections.items() if content}
    links = "".join(f'<a href="#{_anchor(title)}">{title}</a>' for title in sections)
    body.append(f"<nav>{links}</nav>")
    body += (f'<section id="{_anchor(title)}"><h2>{title}</h2>{text}</section>' for title, text in sections.items())
    body.append(f"<footer><h2>How it was made</h2>{facts(_origin(report))}</footer>")
    write_page(path, "Photographs of a car", body, style=CARD_STYLE)


def _verdict(report: Report) -> str:
    seen = sum(map(bool, report.parts.values()))
    parts = counted(seen + len(report.missing_parts), "part")
    found = f"{seen} of {parts} are seen in {counted(len(report.photos), 'photograph')}."
    lines = []
    if report.missing:
        lines.append(f'<p class="verdict bad">Missing: {escape(", ".join(report.missing))}</p>')
    elif report.required:
        lines.append('<p class="verdict good">All that is required is seen.</p>')
    if report.failed:
        lines.append(f'<p class="verdict bad">{counted(len(report.failed), "photograph")} could not be read.</p>')
    warned = [photo for photo in report.photos if photo.warnings]
    if warned:
        found += (
            f" {counted(len(warned), 'photograph')} should be looked at: {_links(photo.number for photo in warned)}"
        )
    return "".join(lines) + f"<p>{found}</p>"


def _views(report: Report) -> str:
    """Return the drawing of the eight views, and the photographs of the four sides and the wheels as a list."""
    shown = {f"The {side}" if side in ("front", "rear") else f"The {side} side": n for side, n in report.sides.items()}
    rows = [(name, _links(numbers) or "not seen") for name, numbers in shown.items()]
    if report.wheels:
        rows += [
            (readable(name).capitalize(), _links(numbers) or "not seen") for name, numbers in report.wheels.items()
        ]
        unnamed = [photo.number for photo in report.photos if any(wheel.name == WHEEL for wheel in photo.wheels)]
        if unnamed:
            rows.append(("Wheels that cannot be told apart", _links(unnamed)))
    unsure = [photo.number for photo in report.photos if photo.view and not photo.sure_view]
    if unsure:
        rows.append(("Unsure which side", _links(unsure)))
    table = "".join(f"<tr><th>{escape(name)}</th><td>{links}</td></tr>" for name, links in rows)
    drawing = compass({view: len(numbers) for view, numbers in report.views.items()})
    return f'<div class="sides">{drawing}<table>{table}</table></div>'


def _parts(report: Report) -> str:
    names = [name for name in report.parts if not (name == WHEEL and any(report.wheels.values()))]
    places = {name: report.parts.get(name) or report.wheels.get(name) or [] for name in (*names, *report.wheels)}
    shown = cards(
        (f"part-{number}", _part(name, report.best[name], places[name]))
        for number, name in enumerate(places)
        if name in report.best
    )
    missing = [readable(name) for name in report.missing_parts]
    return shown + (f"<p>Not seen: {escape(', '.join(missing))}.</p>" if missing else "")


def _part(name: str, best: BestPhoto, numbers: Iterable[int]) -> str:
    part = best.part
    others = [number for number in numbers if number != best.photo]
    also = f", also in {_links(others)}" if others else ""
    cut = " It is cut off by the edge." if part.cut_off > 0 else ""
    image = figure(best.jpeg, f"{readable(name)}, out of photograph {best.photo}", readable(name).capitalize())
    size = f"{part.car_fraction:.1%} of the car, {part.bbox[2]} x {part.bbox[3]} pixels, sharpness {part.sharpness:.2f}"
    return f"{image}<p>Best in photograph {_links([best.photo])}{also}</p><p>{size}.{cut}</p>"


def _photo(photo: Photo, jpeg: bytes) -> str:
    """Return the content of a photograph's card, given the photograph made small."""
    view = readable(photo.view.name) if photo.view else "unknown view"
    sure = f", {photo.view.confidence:.0%} sure" if photo.view else ""
    name = os.path.basename(photo.source) or photo.source
    image = figure(jpeg, f"photograph {photo.number}: {view} of the car", f"{photo.number}: {name}")
    size = (
        f"{photo.width} x {photo.height}, the car is {photo.area_fraction:.0%} of it, sharpness {photo.sharpness:.2f}"
    )
    return (
        f"{image}<p>{view}{sure}</p>{warnings([warning.text for warning in photo.warnings])}"
        f"<details><summary>{counted(len(photo.parts), 'part')}</summary><p>{size}.</p>{_table(photo.parts)}</details>"
    )


def _table(parts: Iterable[PhotoPart]) -> str:
    rows = (
        f"<tr><td>{escape(readable(part.name))}</td><td>{part.car_fraction:.1%}</td><td>{part.sharpness:.2f}</td></tr>"
        for part in sorted(parts, key=lambda part: -part.area_px)
    )
    return f"<table><tr><th>part</th><th>of the car</th><th>sharpness</th></tr>{''.join(rows)}</table>"


def _origin(report: Report) -> dict[str, object]:
    return {
        "Model": report.model + (f", whole cars by {report.cars_model}" if report.cars_model else ""),
        "Required": ", ".join(f"{each.word}:{each.count}" if each.count > 1 else each.word for each in report.required)
        or "nothing",
        "Left and right": "are the vehicle's own, as its driver sees them.",
        "Please note": "A network looked at these photographs. It can be wrong; report.json has its figures.",
    }


def _links(numbers: Iterable[int]) -> str:
    """Return links to photographs, the first of many."""
    every = list(numbers)
    more = f" and {len(every) - _LINKS} more" if len(every) > _LINKS else ""
    return " ".join(f'<a href="#{_place(number)}">{number}</a>' for number in every[:_LINKS]) + more


def _place(number: int) -> str:
    return f"photo-{number}"


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")
