"""Quality, speed and size of models, side by side: ``benchmark`` gives one row per model.

``carseg.benchmarking.rows`` lists the keys of a row. Each model is measured in a process of its own
(``carseg.benchmarking.worker``), so that a crash or a lack of memory is a row with an ``error`` and not the end, and so
that no model's memory or start counts another's.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carseg._env import timing_variables, usable_processors
from carseg._files import digest_file, replacing, to_json
from carseg._version import __version__
from carseg.benchmarking.page import write_benchmark_page
from carseg.benchmarking.remaining import BenchmarkProgress, Remaining
from carseg.benchmarking.rows import KEYS, SCHEMA, Row, read_rows
from carseg.errors import CarsegError, DataError, OptionError, printable, without_secrets
from carseg.hub import full_name, load_manifest, resolve
from carseg.runtimes import check_runtime, cpu

if TYPE_CHECKING:
    from carseg.data import Found

RESULTS = "results.jsonl"
REPORT = "report.html"
_PACKAGES = ("torch", "torchvision", "timm", "numpy", "pillow", "openvino", "onnxruntime")
# The worker imports from where this process does, whatever folder it is started in.
_START = "import sys; sys.path[:] = {path!r}; from carseg.benchmarking.worker import main; main()"

# What is asked about data where nothing is said.
_UNASKED: dict[str, Any] = {"data_format": "auto", "split": None, "mapping": {}, "merge": {}}
_UNASKED |= {"background_images": False, "line_width": None}

_log = logging.getLogger("carseg")


def benchmark(
    models: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
    data: str | os.PathLike[str] | None = None,
    *,
    data_format: str = "auto",
    split: str | None = None,
    mapping: Mapping[str, str] | None = None,
    merge: Mapping[str, str] | None = None,
    background_images: bool = False,
    line_width: float | None = None,
    hub: str | os.PathLike[str] | None = None,
    device: str = "auto",
    runtime: str = "auto",
    precision: str = "auto",
    calibration: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    seconds: float = 10.0,
    out: str | os.PathLike[str] | None = None,
    resume: bool = True,
    report: BenchmarkProgress | None = None,
) -> list[Row]:
    """Measure models, one after another, and return a row of figures per model.

    Args:
        models: one or several names or folders of fine-tuned networks; None measures the models in the package.
        data: labelled images, what ``carseg.data.load`` reads; None measures speed only, on generated images.
        data_format: the format of the data, as for ``carseg.data.load``.
        split: split of the data; None uses "test", else "val", else the only one.
        mapping: class name to new name, as for ``carseg.data.load``, like ``background_images`` and ``line_width``.
        merge: class name to new name; classes with the same new name count as one, only in the figures; see
            ``carseg.evaluation.Evaluation``.
        hub: as for ``carseg.load``, like ``device``, ``runtime``, ``precision``, ``calibration`` and ``threads``.
        seconds: how long each of the several timings takes at least.
        out: a folder for ``results.jsonl`` (one row per line), ``report.html`` and images.
        resume: keep rows that ``out`` already has for the same weights, data, settings and machine.
        report: called with the model, the stage, how much of the stage is done, its total, and the seconds left for
            all models.

    Returns:
        One row per model, in the order given.

    Raises:
        OptionError: there is no model; ``seconds`` or ``threads`` is not positive; an option for data is given without
            data, or does not suit its format; or ``calibration`` is not a file, or given without int8.
        UnknownNameError: the runtime or precision does not exist.
        DataError: the data cannot be opened.
    """
    if not seconds > 0:
        raise OptionError(f"seconds must be above 0, got {seconds}")
    names = _names(models)
    check_runtime(runtime, precision, threads, calibration)
    settings = {"device": device, "runtime": runtime, "precision": precision, "threads": threads, "seconds": seconds}
    settings |= {"hub": None if hub is None else os.fspath(hub), **_calibrated(calibration)}
    asked: dict[str, Any] = {"data_format": data_format, "split": split, "mapping": dict(mapping or {})}
    asked |= {"merge": dict(merge or {}), "background_images": background_images, "line_width": line_width}
    chosen, fingerprint, images = _chosen(data, asked)
    left = Remaining(report, len(names), seconds, images)
    return _rows(names, settings | chosen, fingerprint, None if out is None else Path(out), resume, left)


def _rows(
    names: list[str],
    job: dict[str, Any],
    fingerprint: str | None,
    folder: Path | None,
    resume: bool,
    left: Remaining,
) -> list[Row]:
    """Return a row per model, from the folder where it has it, and write the folder's files."""
    machine = environment()
    identity = [job, machine, timing_variables(), fingerprint]
    saved = _saved(folder) if folder else {}
    rows = []
    for name in names:
        left.begin_model()
        row = _unmeasured(name, job)
        key = hashlib.sha256(json.dumps([name, row["weights_sha256"], identity]).encode()).hexdigest()[:16]
        row["environment"] = machine | {"key": key}
        if resume and key in saved and saved[key]["error"] is None:
            row = saved[key]
        elif row["error"] is None:
            details = str(folder.resolve() / "details" / key) if folder else None
            figures, row["error"] = _measure(job | {"model": name, "details": details}, left.report)
            row |= figures
        rows.append(row)
        if folder:
            saved = _saved(folder) | {key: row}  # another process may have added some of its own
            _save(folder, list(saved.values()))
    if folder:
        write_benchmark_page(rows, folder / REPORT, details=folder / "details")
    return rows


def _unmeasured(name: str, job: dict[str, Any]) -> Row:
    """Return a model's row as it is before anything is measured; its error, if the weights cannot be had."""
    row = dict.fromkeys(KEYS) | {"model": name, "schema": SCHEMA}
    row |= {key: job[key] for key in ("device", "runtime", "precision")}
    try:
        info = resolve(name, hub=job["hub"]).info
    except CarsegError as error:
        return row | {"error": str(error)}
    return row | {"params_m": info.parameters / 1e6, "size_mb": info.bytes / 1e6, "weights_sha256": info.sha256}


def environment() -> dict[str, Any]:
    """Return what the figures depend on: versions, a digest of carseg's own code, operating system, processor, GPUs."""
    versions: dict[str, str | None] = {"carseg": __version__, "code": _code()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    system = {"python": platform.python_version(), "system": platform.platform()}
    return versions | system | {"processor": cpu.name(), "cores": usable_processors(), "gpus": cpu.gpus()}


@functools.cache
def _code() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _names(models: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None) -> list[str]:
    if models is None:
        names = [name for name, info in load_manifest().models.items() if info.embedded]
    else:
        names = [full_name(model) for model in ([models] if isinstance(models, (str, os.PathLike)) else models)]
    if not names:
        raise OptionError("no model is given, and this package contains none")
    return list(dict.fromkeys(names))


def _chosen(data: str | os.PathLike[str] | None, asked: dict[str, Any]) -> tuple[dict[str, Any], str | None, int]:
    """Return what the worker has to know about the data, its fingerprint, None where there is none, and its images.

    Args:
        data: as for ``benchmark``.
        asked: what else it was asked about the data, by name.
    """
    if data is None:
        given = [name for name, value in asked.items() if value != _UNASKED[name]]
        if given:
            raise OptionError(f"{' and '.join(given)} without data: give the labelled images")
        return {"data": None, **asked}, None, 0
    from carseg.data import absolute, as_stated, names_classes, recognize

    found = recognize(data, format=asked["data_format"])
    parts = {name: as_stated(part, asked["background_images"], asked["line_width"]) for name, part in found.items()}
    if not names_classes(data, parts):
        _log.warning(
            "%s names no classes: the values of its labels are matched to the classes of each model by place, 0 is the "
            "first, and not by name; classes.txt in the folder would name them",
            data,
        )
    split = asked["split"] or next((name for name in ("test", "val") if name in parts), None)
    images = max((len(part.records) for name, part in parts.items() if split in (None, name)), default=0)
    return {**asked, "data": str(absolute(data)), "split": split}, _fingerprint(parts), images


def _calibrated(file: str | os.PathLike[str] | None) -> dict[str, Any]:
    """Return what the worker has to know about a calibration, and a digest of it, with which rows are found again."""
    if file is None:
        return {"calibration": None}
    try:
        digest = digest_file(Path(file)).hex()
    except OSError as error:
        raise OptionError(f"calibration {file} cannot be read ({error.strerror or error})") from None
    return {"calibration": os.path.abspath(file), "calibration_sha256": digest}


def _fingerprint(parts: dict[str, Found]) -> str:
    """Return a digest that changes when the data does.

    It is of what was read, and of size and time of change of every file still to be read.
    """
    from carseg.data import files_of

    digest = hashlib.sha256()
    for name, part in parts.items():
        digest.update(repr((name, replace(part, records=[]))).encode())
        for record in part.records:
            stats = [(path.stat().st_size, path.stat().st_mtime_ns) for path in files_of(record) if path.exists()]
            digest.update(repr((record, stats)).encode())
    return digest.hexdigest()


def _saved(folder: Path) -> dict[str, Row]:
    """Return the rows that a folder already has, by their key."""
    rows = read_rows(folder / RESULTS) if (folder / RESULTS).exists() else []
    saved = {}
    for number, row in enumerate(rows, start=1):
        key = (row["environment"] or {}).get("key")
        if not (isinstance(key, str) and re.fullmatch("[0-9a-f]{16}", key)):  # it names a folder too
            raise DataError(
                f"{folder / RESULTS} was not written by carseg: row {number} has no environment with a key of 16 "
                "hexadecimal digits; choose another folder"
            )
        saved[key] = row
    return saved


def _save(folder: Path, rows: list[Row]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / RESULTS) as partial:
        partial.write_text("".join(to_json(row) + "\n" for row in rows), "utf-8")


def _measure(job: dict[str, Any], report: Callable[[str, str, int, int], None]) -> tuple[dict[str, Any], str | None]:
    """Run the worker; return the figures it sent, and why it did not get to the end, None if it did."""
    figures: dict[str, Any] = {}
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        command = [sys.executable, "-c", _START.format(path=sys.path), json.dumps(job | {"began": time.time()})]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=output, encoding="utf-8")
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if not line.endswith("\n"):  # it died while writing
                    break
                message = json.loads(line)
                figures |= message.get("figures", {})
                if "error" in message:
                    return figures, message["error"]
                if "progress" in message:
                    report(job["model"], *message["progress"])
            return figures, _ending(process.wait(), output)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def _ending(code: int, output: Any) -> str | None:
    if code == 0:
        return None
    if code == -9:  # SIGKILL, by a name that Windows lacks
        return "its process was killed, most likely because the machine ran out of memory"
    output.seek(0)
    last = [printable(without_secrets(line.strip())) for line in output if line.strip()][-1:]
    return f"its process ended with status {code}: {last[0] if last else 'it said nothing'}"
