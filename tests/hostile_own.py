"""The files that carseg itself writes or is configured by, sound ones, and what reads them as a command does."""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

import carseg.data
from carseg.benchmarking.benchmark import _saved
from carseg.benchmarking.page import SCORES, write_benchmark_page
from carseg.benchmarking.rows import KEYS, compare_rows, failures, read_rows
from carseg.benchmarking.tables import ROW_FORMATS, format_classes, format_differences, format_rows
from carseg.cli.models import _description, _json
from carseg.cli.outputs import Job, refuse_overwriting
from carseg.hub.checkpoint import load_into
from carseg.hub.manifest import load_manifest
from carseg.hub.origins import installed_from
from carseg.hub.resolve import find_info
from carseg.inference import Video
from carseg.runtimes.calibration import Calibration, read_calibration
from carseg.training.config import TrainingConfig
from carseg.training.log import COLUMNS, TrainingLog
from carseg.training.run_folder import RunStart, read_start
from carseg.training.state import read_state

from color_hub import NearestColor, write_model
from drawn_data import draw_image, draw_mask, save
from drawn_video import clip, write_clip
from entries import example, info_of


def _label_set_beside(folder: Path, content: bytes) -> str:
    save(folder / "in/images/a.png", draw_image(draw_mask(0)))
    save(folder / "in/masks/a.png", draw_mask(0))
    (folder / "in/labels.json").write_text(json.dumps(LABEL_SET))
    (folder / "out").mkdir()
    (folder / "out/labels.json").write_bytes(content)
    return str(carseg.data.convert(carseg.data.load(folder / "in"), folder / "out"))


LABEL_SET = {
    "name": "in",
    "classes": ["background", "door", "hood"],
    "colors": [[0, 0, 0], [9, 9, 9], [7, 7, 7]],
    "background": 0,
    "foreground": [1, 2],
    "min_area": 0.0,
}


def _config(folder: Path, content: bytes) -> str:
    (folder / "my-unet").mkdir()
    (folder / "my-unet/config.json").write_bytes(content)
    info = find_info("my-unet", folder)
    return "\n".join([_json(info), *_description(info)])


def _manifest(folder: Path, content: bytes) -> str:
    (folder / "weights_manifest.json").write_bytes(content)
    return "\n".join(load_manifest(folder / "weights_manifest.json").models)


def _origin(folder: Path, content: bytes) -> str:
    class Record:
        def read_text(self, name: str) -> str:
            return content.decode("utf-8", "replace")

    before, metadata.distribution = metadata.distribution, lambda name: Record()  # type: ignore[assignment,return-value]
    try:
        return "\n".join(repr(origin) for origin in installed_from())
    finally:
        metadata.distribution = before


def _start(folder: Path, content: bytes) -> str:
    (folder / "run.json").write_bytes(content)
    start = read_start(folder)
    assert start is not None
    return repr(start)


def _log(folder: Path, content: bytes) -> str:
    (folder / "log.csv").write_bytes(content)
    log = TrainingLog(folder)
    log.rewind(1)
    return repr(log.rows)


def _state(folder: Path, content: bytes) -> str:
    (folder / "state.pt").write_bytes(content + hashlib.sha256(content).digest())
    return repr(sorted(read_state(folder, torch.device("cpu")) or ()))


def _rows(folder: Path, content: bytes) -> str:
    (folder / "results.jsonl").write_bytes(content)
    rows = read_rows(folder / "results.jsonl")
    differences = compare_rows(rows, rows)
    write_benchmark_page(list(_saved(folder).values()), folder / "report.html", details=folder)
    failures(rows, {"miou": 0.5, "side_error": 0.5})
    return "\n".join(
        [format_classes(rows)]
        + [format_rows(rows, form) for form in ROW_FORMATS]
        + [format_differences(differences, form) for form in ROW_FORMATS]
    )


def _scores(folder: Path, content: bytes) -> str:
    (folder / KEY).mkdir()
    (folder / KEY / "worst-1.jpg").write_bytes(b"a picture")
    (folder / KEY / SCORES).write_bytes(content)
    write_benchmark_page([ROW], folder / "report.html", details=folder)
    page = (folder / "report.html").read_text("utf-8")
    assert "cm9vd" not in page, "a file from elsewhere is in the page"  # "root:" in base 64
    return ""


KEY = "0" * 16
ROW: dict[str, Any] = dict.fromkeys(KEYS) | {
    "model": "m",
    "dataset": "d",
    "split": "test",
    "images": 3,
    "miou": 0.5,
    "miou_ci": [0.4, 0.6],
    "pixel_acc": 0.9,
    "per_class": {"background": 0.9, "door": None},
    "params_m": 1.5,
    "runtime": "torch",
    "precision": "float32",
    "device": "cpu",
    "threads": 1,
    "batch": 1,
    "ms_p50": 12.5,
    "images_per_s": 80.0,
    "weights_sha256": "0" * 64,
    "environment": {"carseg": "0.1.0", "cores": 2, "key": KEY},
    "schema": 1,
}
_SCORES = {
    "classes": ["background", "door"],
    "scores": {"miou": 0.5, "confusion": [[5, 1, 0], [2, 2, 0]]},
    "worst": [{"name": "a", "miou": 0.25, "file": "worst-1.jpg"}],
}


def _calibration(folder: Path, content: bytes) -> str:
    (folder / "calibration.json").write_bytes(content)
    return repr(read_calibration(folder / "calibration.json", INFO))


def _results(folder: Path, content: bytes) -> str:
    """What an earlier ``carseg predict`` wrote, or something else has put there."""
    (folder / "a.json").write_bytes(content)
    return str(refuse_overwriting([Job("a.jpg", folder, Path(), "a")], folder, ["json"]))  # type: ignore[arg-type]


def _video(folder: Path, content: bytes) -> str:
    (folder / "a.mp4").write_bytes(content)
    return repr([frame.rgb.shape for frame in Video(folder / "a.mp4").frames(1 << 20)])


def _weights(folder: Path, content: bytes) -> str:
    """A safetensors file of a header and as many bytes as the sound one announces."""
    path = folder / "model.safetensors"
    path.write_bytes(len(content).to_bytes(8, "little") + content + bytes(_DATA))
    load_into(NearestColor(4), path)
    return ""


def _whole_weights(folder: Path, content: bytes) -> str:
    (folder / "model.safetensors").write_bytes(content)
    load_into(NearestColor(4), folder / "model.safetensors")
    return ""


def _header() -> tuple[dict[str, Any], int, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        write_model(Path(folder))
        content = (Path(folder) / "blocks/model.safetensors").read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), len(content) - end, content


def _video_file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return write_clip(Path(folder, "a.mp4"), clip(3)).read_bytes()


def _torch_file(value: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


INFO = info_of()
_HEADER, _DATA, _WHOLE = _header()

# A sound file, an object where it is JSON, and its reader, which returns what is printed.
OWN: dict[str, tuple[Any, Callable[[Path, bytes], str]]] = {
    "labels.json of an output": (LABEL_SET, _label_set_beside),
    "config.json": ({"name": "my-unet", **example()}, _config),
    "manifest": ({"schema": 1, "hubs": ["https://example.org/w"], "models": {"my-unet": example()}}, _manifest),
    "direct_url.json": (
        {"url": "https://github.com/o/r", "vcs_info": {"vcs": "git", "commit_id": "0" * 40}, "subdirectory": "s"},
        _origin,
    ),
    "run.json": (asdict(RunStart("m", TrainingConfig(size=(32, 32)), None, {"a": "b"}, ("a",), 3, 1)), _start),
    "log.csv": (f"{','.join(COLUMNS)}\n{','.join('1' * len(COLUMNS))}\n".encode(), _log),
    "state.pt": (_torch_file({"network": {"a": torch.zeros(3)}}), _state),
    "rows": ([ROW], _rows),
    "scores.json": (_SCORES, _scores),
    "calibration": (
        asdict(Calibration(1, INFO.sha256, 2, "by hand", {"a": (0.0, 1.0), "b": (-1.0, 1.0)})),
        _calibration,
    ),
    "results": (b'{"source": "a.jpg"}', _results),
    "video": (_video_file(), _video),
    "weights' header": (_HEADER, _weights),
    "weights": (_WHOLE, _whole_weights),
}
