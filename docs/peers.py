"""What others take for the same work, beside carseg: a chart and a table of what ``benchmarks.peers`` measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lineage import WIDTH

from carseg.reporting import bars

PEERS = Path(__file__).absolute().parents[1] / "benchmarks" / "peers.jsonl"
NAMES = {
    "rembg": "rembg, u2netp",
    "yolo_seg": "Ultralytics, YOLO11n-seg",
    "yolo_semantic": "Ultralytics, YOLO26n-sem",
    "torchvision": "torchvision, DeepLabv3",
    "smp": "smp, ResNeSt-50 U-Net",
    "transformers": "transformers, SegFormer-B3",
}
_HEAD = (
    "| images | | images per second | first start, s | later starts, s | most memory, MB |\n|---|---|---|---|---|---|"
)

Row = dict[str, Any]


def peers_chart(rows: list[Row]) -> str:
    """Images per second of each peer, and of carseg with the network that is recommended for the job, as bars."""
    megapixels = min(row["megapixels"] for row in rows)
    folder = [row for row in rows if row["images"] > 1 and row["megapixels"] == megapixels]
    series: dict[str, dict[str, float]] = {"the others": {}, "carseg": {}}
    for row in folder:  # of carseg's networks the last one beside a peer is the one to take
        series["the others" if _is_peer(row) else "carseg"][NAMES[row["peer"]]] = row["images_per_second"]
    largest = max(rate for by_name in series.values() for rate in by_name.values())
    drawing = bars(series, WIDTH, largest=largest, digits=1)
    return f'<div class="plot narrow" role="img" aria-label="Images per second, beside others">{drawing}</div>'


def peers_table(rows: list[Row]) -> str:
    """Everything that was measured, those that were measured in turns next to each other."""
    lines = [_HEAD]
    for row in rows:
        what = f"{row['images']} of {row['megapixels']:g} MP"
        name = NAMES[row["peer"]] if _is_peer(row) else f"`{row['name']}`"
        rate = row["images_per_second"] or "-"
        later = row["start_s"] or "-"
        lines.append(f"| {what} | {name} | {rate} | {row['first_start_s']} | {later} | {row['megabytes']} |")
    return "\n".join(lines)


def read_peers() -> list[Row]:
    """Return what was measured."""
    return [json.loads(line) for line in PEERS.read_text("utf-8").splitlines()]


def _is_peer(row: Row) -> bool:
    return bool(row["name"] == row["peer"])
